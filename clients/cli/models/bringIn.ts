import { constants } from 'node:fs';
import { copyFile, link, mkdir, open, readdir, realpath, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Transfer } from '../transfer.ts';

/** A file to be brought into the models folder. */
export interface Source {
  /** Absolute, links followed. */
  from: string;
  /** Where it goes, below the staging. */
  to: string;
  bytes: number;
}

/** Pickles, which the runtime refuses anyway, and what other frameworks left. */
const leftOut = /\.(bin|ckpt|pt|pth|pkl|msgpack|h5)$/i;

/** Whether a file is a pickle by its name: opening one can run code. */
export function isPickle(file: string): boolean {
  return /\.(bin|ckpt|pt|pth|pkl)$/i.test(file);
}

/**
 * The files of a folder that a model may need. Links are followed, because download caches are made of them; hidden
 * files, pickles and weights of other frameworks are left out.
 */
export async function filesOf(folder: string, to = ''): Promise<Source[]> {
  const found: Source[] = [];
  const walk = async (below: string, above: readonly string[]): Promise<void> => {
    const real = await realpath(path.join(folder, below));
    // A link to a folder above would never end.
    if (above.includes(real)) return;
    for (const name of (await readdir(real)).sort()) {
      if (name.startsWith('.') || leftOut.test(name)) continue;
      const from = await realpath(path.join(real, name));
      const { size, isFile, isFolder } = await look(from);
      if (isFolder) await walk(path.join(below, name), [...above, real]);
      else if (isFile) found.push({ from, to: path.join(to, below, name), bytes: size });
    }
  };
  await walk('', []);
  return found;
}

export async function fileAs(file: string, to: string): Promise<Source> {
  const from = await realpath(file);
  return { from, to, bytes: (await look(from)).size };
}

async function look(file: string): Promise<{ size: number; isFile: boolean; isFolder: boolean }> {
  const found = await stat(file);
  return { size: found.size, isFile: found.isFile(), isFolder: found.isDirectory() };
}

/** About how much is written where files are brought into a folder. */
export async function bytesToCopy(sources: readonly Source[], folder: string, how: How): Promise<number> {
  const { dev } = await stat(folder);
  let bytes = 0;
  for (const source of sources) {
    const mayLink = how !== 'copy' && isWeights(source.to) && (await stat(source.from)).dev === dev;
    if (!mayLink) bytes += source.bytes;
  }
  return bytes;
}

/** `either`: linked where that works, else copied. */
export type How = 'link' | 'copy' | 'either';

/** The bulk of a model. The rest is copied always: people edit settings, and mean those of one place. */
const isWeights = (file: string) => /\.(safetensors|gguf|onnx|onnx_data|pb)$/i.test(file);

/**
 * Links or copies files into a folder. A hard link is the file itself under a second name: no bytes are stored twice, and
 * it stays when the first name goes.
 *
 * @returns how many bytes were linked and copied
 */
export async function bringIn(
  sources: readonly Source[],
  folder: string,
  how: How,
  transfer: Transfer,
  signal: AbortSignal,
): Promise<{ linked: number; copied: number }> {
  const done = { linked: 0, copied: 0 };
  for (const { from, to, bytes } of sources) {
    signal.throwIfAborted();
    const target = path.join(folder, to);
    await mkdir(path.dirname(target), { recursive: true });
    if (how !== 'copy' && isWeights(to) && (await linked(from, target, how === 'link'))) {
      transfer.skip(bytes);
      done.linked += bytes;
      continue;
    }
    await copyWhole(from, target, transfer, signal);
    done.copied += bytes;
  }
  return done;
}

async function linked(from: string, target: string, must: boolean): Promise<boolean> {
  try {
    await link(from, target);
    return true;
  } catch (cause) {
    if (!must) return false;
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === 'EXDEV' ? 'it lies on another file system' : code;
    throw new Error(`${from} cannot be linked: ${why}. Use --copy.`, { cause });
  }
}

async function copyWhole(from: string, target: string, transfer: Transfer, signal: AbortSignal): Promise<void> {
  const before = await stat(from);
  // File systems that can share blocks until one side is written (btrfs, xfs, apfs) copy in no time.
  const cloned = await copyFile(from, target, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL).then(
    () => true,
    () => false,
  );
  if (cloned) return transfer.skip(before.size);
  await rm(target, { force: true });
  await using input = await open(from, 'r');
  await using output = await open(target, 'wx');
  const buffer = Buffer.allocUnsafeSlow(4 * 1024 * 1024);
  let at = 0;
  for (;;) {
    signal.throwIfAborted();
    const { bytesRead } = await input.read(buffer, 0, buffer.length, at);
    if (bytesRead === 0) break;
    for (let written = 0; written < bytesRead; ) {
      written += (await output.write(buffer, written, bytesRead - written, at + written)).bytesWritten;
    }
    at += bytesRead;
    transfer.advance(bytesRead);
  }
  await output.sync();
  const after = await stat(from);
  if (at !== before.size || after.mtimeMs !== before.mtimeMs) {
    throw new Error(`${from} changed while it was copied. Try again when nothing writes to it.`);
  }
}
