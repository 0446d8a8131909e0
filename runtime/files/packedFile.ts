import { mkdir, open, readdir, readFile, rename, rm, stat, statfs, utimes, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Loss, type Packing, placesOf, Sources, writePiece } from './packing.ts';
import { ModelError } from './reading.ts';
import { versionOf } from './safetensors.ts';

/** What lies beside a packed file, as `<name>.json`: what it was made from, so that it can be told when it is of no more use. */
export interface PackedRecord {
  /** What it is of: `klein/transformer`. */
  label: string;
  sources: { file: string; version: string | undefined }[];
  /** Root of the mean square of what rounding changed, over that of the weights that were rounded anew; 0 for none. */
  error: number;
}

/** Packed files that were not opened for longest go first when all of them take more. */
const MOST_BYTES = 200 * 2 ** 30;

/** A file that a process was still writing this long ago belongs to one that has ended. */
const ABANDONED_MS = 6 * 3_600_000;

/**
 * The packed file of weights in a folder: found there, or written now, once, under a temporary name that is then changed.
 * Files of which a source is gone or has changed are removed first.
 *
 * @param onWritten - told now and then which share is written, up to 1; never where the file is found
 * @returns its absolute path
 * @throws {ModelError} where the folder cannot take it
 */
export async function packedFile(
  packing: Packing,
  folder: string,
  label: string,
  onWritten: (share: number) => void = () => {},
): Promise<string> {
  const file = join(folder, packing.name);
  const found = await stat(file).catch(() => undefined);
  if (found?.size === packing.bytes) {
    const now = new Date();
    // The time of its last use, by which the oldest are found.
    await utimes(file, now, now).catch(() => {});
    return file;
  }
  try {
    await mkdir(folder, { recursive: true });
    await cleanPackedFiles(folder, packing.bytes);
    await write(packing, folder, label, onWritten);
  } catch (cause) {
    if (cause instanceof ModelError) throw cause;
    const { code, message } = cause as NodeJS.ErrnoException;
    throw new ModelError(`${label}: the repacked weights cannot be written to ${folder}: ${code ?? message}.`, {
      cause,
    });
  }
  return file;
}

async function write(
  { name, bytes, pieces }: Packing,
  folder: string,
  label: string,
  onWritten: (share: number) => void,
): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < bytes) {
    const gigabytes = (value: number) => (value / 1e9).toFixed(1);
    throw new ModelError(
      `${label}: its weights are repacked once into ${gigabytes(bytes)} GB of ${folder}, which has ${gigabytes(bavail * bsize)} GB free.`,
    );
  }
  const temporary = join(folder, `${name}.${process.pid}.tmp`);
  const into = await open(temporary, 'w');
  const sources = new Sources();
  const loss: Loss = { lost: 0, all: 0 };
  try {
    await into.truncate(bytes);
    for (const piece of pieces) {
      const { lost, all } = await writePiece(piece, into, sources);
      loss.lost += lost;
      loss.all += all;
      onWritten(placesOf(piece, piece.offset).end / bytes);
    }
    await into.sync();
    await into.close();
    const files = new Map(pieces.map(({ source }) => [source.file, source.version]));
    for (const [file, version] of files) {
      const now = await stat(file, { bigint: true });
      if (version !== undefined && versionOf(now) !== version) {
        throw new ModelError(`${label}: ${basename(file)} changed while the server read it.`);
      }
    }
    const record: PackedRecord = {
      label,
      sources: [...files].map(([file, version]) => ({ file, version })),
      error: loss.all === 0 ? 0 : Math.sqrt(loss.lost / loss.all),
    };
    await writeFile(join(folder, `${name}.json`), JSON.stringify(record));
    await rename(temporary, join(folder, name));
  } catch (error) {
    await into.close().catch(() => {});
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await sources.close();
  }
}

/** What is in a folder of packed files, the one used last at the end. */
export async function listPackedFiles(
  folder: string,
): Promise<(PackedRecord & { file: string; bytes: number; usedAt: number; isCurrent: boolean })[]> {
  const names = await readdir(folder).catch(() => []);
  const found = [];
  for (const name of names.filter((each) => each.endsWith('.weights'))) {
    const file = join(folder, name);
    const record = await readRecord(`${file}.json`);
    const held = await stat(file).catch(() => undefined);
    if (!held) continue;
    found.push({ ...record, file, bytes: held.size, usedAt: held.mtimeMs, isCurrent: await isCurrent(record) });
  }
  return found.sort((a, b) => a.usedAt - b.usedAt);
}

/** Removes what has no source any more, and the oldest until `room` bytes more are no more than 200 GiB in all. */
export async function cleanPackedFiles(folder: string, room = 0, mostBytes = MOST_BYTES): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.endsWith('.tmp')) continue;
    const file = join(folder, name);
    const found = await stat(file).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs > ABANDONED_MS) await rm(file, { force: true });
  }
  const files = await listPackedFiles(folder);
  let total = files.reduce((sum, { bytes }) => sum + bytes, room);
  for (const { file, bytes, isCurrent: current } of files) {
    if (current && total <= mostBytes) continue;
    // A process that has it open keeps its bytes.
    await rm(file, { force: true });
    await rm(`${file}.json`, { force: true });
    total -= bytes;
  }
}

async function readRecord(file: string): Promise<PackedRecord> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as PackedRecord;
  } catch {
    return { label: '', sources: [], error: 0 };
  }
}

async function isCurrent({ sources }: PackedRecord): Promise<boolean> {
  for (const { file, version } of sources) {
    const found = await stat(file, { bigint: true }).catch(() => undefined);
    if (!found || (version !== undefined && versionOf(found) !== version)) return false;
  }
  return sources.length > 0;
}
