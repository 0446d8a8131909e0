import { mkdir, open, readdir, readFile, rename, rm, stat, statfs, utimes, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Sources, writePiece } from './packing.js';
import { ModelError } from './reading.js';
import { versionOf } from './safetensors.js';

/** Packed files that were not opened for longest go first when all of them take more. */
const MOST_BYTES = 200 * 2 ** 30;
/** A file that a process was still writing this long ago belongs to one that has ended. */
const ABANDONED_MS = 6 * 3_600_000;
/**
 * The packed file of weights in a folder: found there, or written now, once, under a temporary name that is then changed.
 * Files of which a source is gone or has changed are removed first.
 *
 * @returns its absolute path
 * @throws {ModelError} where the folder cannot take it
 */
export async function packedFile(packing, folder, label) {
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
    await write(packing, folder, label);
  } catch (cause) {
    if (cause instanceof ModelError) throw cause;
    const { code, message } = cause;
    throw new ModelError(`${label}: the repacked weights cannot be written to ${folder}: ${code ?? message}.`, {
      cause,
    });
  }
  return file;
}
async function write({ name, bytes, pieces }, folder, label) {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < bytes) {
    const gigabytes = (value) => (value / 1e9).toFixed(1);
    throw new ModelError(
      `${label}: its weights are repacked once into ${gigabytes(bytes)} GB of ${folder}, which has ${gigabytes(bavail * bsize)} GB free.`,
    );
  }
  const temporary = join(folder, `${name}.${process.pid}.tmp`);
  const into = await open(temporary, 'w');
  const sources = new Sources();
  const loss = { lost: 0, all: 0 };
  try {
    await into.truncate(bytes);
    for (const piece of pieces) {
      const { lost, all } = await writePiece(piece, into, sources);
      loss.lost += lost;
      loss.all += all;
    }
    await into.sync();
    await into.close();
    const files = new Map(pieces.map(({ source }) => [source.file, source.version]));
    for (const [file, version] of files) {
      const now = await stat(file, { bigint: true });
      if (version !== undefined && versionOf(now) !== version) {
        throw new ModelError(`${label}: ${basename(file)} changed while it was read.`);
      }
    }
    const record = {
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
export async function listPackedFiles(folder) {
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
export async function cleanPackedFiles(folder, room = 0, mostBytes = MOST_BYTES) {
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
async function readRecord(file) {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch {
    return { label: '', sources: [], error: 0 };
  }
}
async function isCurrent({ sources }) {
  for (const { file, version } of sources) {
    const found = await stat(file, { bigint: true }).catch(() => undefined);
    if (!found || (version !== undefined && versionOf(found) !== version)) return false;
  }
  return sources.length > 0;
}
//# sourceMappingURL=packedFile.js.map
