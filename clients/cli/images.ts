import path from 'node:path';
import { systemClock } from '../../server/clock.ts';
import { loadConfig, parseDuration, parseSize } from '../../server/config/config.ts';
import { type ImageStore, openImageStore, pinImage, type StoredImage } from '../../server/images/store.ts';
import { table, terminalWidth } from './table.ts';
import { readArguments, UsageError } from './usage.ts';

export const imagesHelp = `Usage: latentwire images [list] [options]
       latentwire images prune (--unused-for DURATION | --to SIZE | UUID…) [options]
       latentwire images pin UUID…
       latentwire images unpin UUID…

Manages the stored images of this machine, also while a server runs.

  list      Lists the images, least recently used first, and their total size
  prune     Deletes images: those unused for 30d, 12h …; or the least recently used until the rest is at most 10GB …; or
            those named. Keeps pinned images unless they are named.
  pin       Protects images from automatic deletion; unpin removes the protection

Options:
  --data-dir FOLDER  The data folder of the server (default: ~/.latentwire)
  --json             list prints one JSON object for each image
  --dry-run          prune only shows how much it would delete
`;

/** `latentwire images …`; without the name of a command, `list`. */
export async function images(args: string[]): Promise<void> {
  const { values, positionals } = readArguments('images', args, {
    'data-dir': { type: 'string' },
    json: { type: 'boolean' },
    'dry-run': { type: 'boolean' },
    'unused-for': { type: 'string' },
    to: { type: 'string' },
  });
  const [command = 'list', ...names] = positionals;
  const dataDir = values['data-dir'];
  // No server is opened here, so what it would say about keys does not matter.
  const argv = ['--allow-open', ...(dataDir === undefined ? [] : ['--data-dir', dataDir])];
  const config = loadConfig(argv, process.env);
  await using store = await openImageStore(path.join(config.dataDir, 'images'), { clock: systemClock, isLive: true });
  switch (command) {
    case 'list':
      return list(store, values.json === true);
    case 'prune':
      return await prune(store, choose(store, names, values), values['dry-run'] === true);
    case 'pin':
    case 'unpin':
      for (const image of named(store, names)) await pinImage(image, command === 'pin');
      return;
    default:
      throw new UsageError(`Unknown command "images ${command}". See latentwire images --help.`);
  }
}

function list(store: ImageStore, asJson: boolean): void {
  const all = store.list();
  if (asJson) {
    for (const { imageUUID, format, bytes, usedAt, pinned = false, expiresAt } of all) {
      const line = { imageUUID, format, bytes, usedAt: new Date(usedAt).toISOString(), pinned };
      const expires = expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() };
      process.stdout.write(`${JSON.stringify({ ...line, ...expires })}\n`);
    }
    return;
  }
  const rows = all.map(({ imageUUID, format, bytes, usedAt, pinned }) => [
    imageUUID,
    format,
    sizeOf(bytes),
    new Date(usedAt).toISOString().slice(0, 16).replace('T', ' '),
    pinned ? 'pinned' : '',
  ]);
  process.stdout.write(table([['UUID', 'FORMAT', 'SIZE', 'LAST USED', ''], ...rows], terminalWidth()));
  process.stdout.write(`${countOf(all.length)}, ${sizeOf(store.usage().bytes)}\n`);
}

function choose(
  store: ImageStore,
  names: readonly string[],
  { 'unused-for': unusedFor, to }: { 'unused-for'?: string | undefined; to?: string | undefined },
): StoredImage[] {
  const ways = [names.length > 0, unusedFor !== undefined, to !== undefined].filter(Boolean).length;
  if (ways !== 1) throw new UsageError('Give exactly one of --unused-for DURATION, --to SIZE, or UUIDs.');
  if (names.length > 0) return named(store, names);
  const loose = store.list().filter(({ pinned }) => !pinned);
  if (unusedFor !== undefined) {
    const before = Date.now() - read('--unused-for', unusedFor, parseDuration);
    return loose.filter(({ usedAt }) => usedAt <= before);
  }
  let excess = store.usage().bytes - read('--to', to!, parseSize);
  return loose.filter(({ bytes }) => {
    if (excess <= 0) return false;
    excess -= bytes;
    return true;
  });
}

async function prune(store: ImageStore, chosen: readonly StoredImage[], isTrial: boolean): Promise<void> {
  let bytes = 0;
  for (const image of chosen) {
    if (!isTrial) await store.delete(image.imageUUID);
    bytes += image.bytes;
  }
  process.stdout.write(`${isTrial ? 'Would delete' : 'Deleted'} ${countOf(chosen.length)}, ${sizeOf(bytes)}.\n`);
}

function named(store: ImageStore, names: readonly string[]): StoredImage[] {
  if (names.length === 0) throw new UsageError('Give the UUIDs of the images.');
  const all = new Map(store.list().map((image) => [image.imageUUID, image]));
  return names.map((name) => {
    const image = all.get(name.toLowerCase());
    if (image === undefined) throw new Error(`There is no image ${name} here.`);
    return image;
  });
}

function read(option: string, text: string, parse: (text: string) => number): number {
  try {
    return parse(text);
  } catch (error) {
    throw new UsageError(`${option} ${(error as Error).message}.`);
  }
}

function countOf(images: number): string {
  return images === 1 ? '1 image' : `${images} images`;
}

function sizeOf(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let size = bytes;
  let unit = 0;
  for (; size >= 1000 && unit < units.length - 1; unit++) size /= 1000;
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`;
}
