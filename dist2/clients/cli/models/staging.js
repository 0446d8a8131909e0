import { lstat, mkdir, open, readdir, rename, rm, rmdir, statfs } from 'node:fs/promises';
import path from 'node:path';
import { humanBytes } from '../transfer.js';

/**
 * What is on its way into a models folder lies in here until it is whole: the catalog passes over names with a dot, and
 * it is on the same file system, so that the last step is a rename.
 */
const folderName = '.incoming';
/** A staging of this process alone, which goes with it. */
export async function openStaging(modelsDir) {
  await removeOrphans(path.join(modelsDir, folderName));
  return await create(modelsDir, `${ownPrefix}${process.pid}`, false);
}
/** A staging in which what has come is left for the next call with the same key. */
export async function openKeptStaging(modelsDir, key) {
  return await create(modelsDir, key, true);
}
const ownPrefix = 'process-';
async function create(modelsDir, key, kept) {
  const folder = path.join(modelsDir, folderName, key);
  await mkdir(folder, { recursive: true });
  return {
    folder,
    async [Symbol.asyncDispose]() {
      if (!kept) await rm(folder, { recursive: true, force: true });
      // Fails where it is not empty, which is what is wanted.
      for (const empty of [folder, path.dirname(folder)]) await rmdir(empty).catch(() => {});
    },
  };
}
/** What a process that was killed has left: it may be gigabytes. */
async function removeOrphans(folder) {
  for (const name of await readdir(folder).catch(() => [])) {
    if (name.startsWith(ownPrefix) && !isRunning(Number(name.slice(ownPrefix.length)))) {
      await rm(path.join(folder, name), { recursive: true, force: true });
    }
  }
}
/** Whether another process than this one has that id. */
export function isRunning(pid) {
  if (pid === process.pid) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Another user's process answers with EPERM.
    return error.code === 'EPERM';
  }
}
/** What the runtime looks for beside a single file, by what follows the file's name without `.safetensors`. */
export const companions = ['.safetensors.json', '.tokenizer', '.tokenizer_2'];
/** Refuses a name that is taken, by a model or by anything else, under the spelling of either layout. */
export async function checkFree(modelsDir, name) {
  for (const taken of [name, `${name}.safetensors`, ...companions.map((ending) => name + ending)]) {
    if (await exists(path.join(modelsDir, taken))) {
      throw new Error(`${path.join(modelsDir, taken)} is there already. Give another --name, or remove it first.`);
    }
  }
}
/** A name is one part of a path, on every system, and not hidden. */
export function checkName(name) {
  if (/^[\p{L}\p{N}_][\p{L}\p{N}_ .,()[\]+=-]*$/u.test(name) && !/[ .]$/.test(name) && name.length <= 200) return;
  throw new Error(
    `"${name}" cannot be the name of a model: letters, digits, spaces and .,_-+=()[] are allowed, and it begins with a letter, a digit or _.`,
  );
}
/** @param needed - bytes that are still to be written there */
export async function checkSpace(folder, needed) {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (needed <= free) return;
  throw new Error(`${folder} has room for ${humanBytes(free)}, but ${humanBytes(needed)} are to be written there.`);
}
/** Moves finished things out of the staging to their names: [from, to]. All or none. */
export async function settle(moves) {
  const settled = [];
  try {
    for (const [from, to] of moves) {
      // Renaming would take the place of a file that has come in the meantime.
      if (await exists(to)) throw new Error(`${to} is there already; nothing was changed.`);
      await rename(from, to);
      settled.push(to);
    }
  } catch (error) {
    for (const to of settled) await rm(to, { recursive: true, force: true });
    throw error;
  }
  for (const folder of new Set(moves.map(([, to]) => path.dirname(to)))) await syncFolder(folder);
}
/** Makes renames in a folder last through a power cut, where the system can. */
async function syncFolder(folder) {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}
async function exists(file) {
  return lstat(file).then(
    () => true,
    () => false,
  );
}
//# sourceMappingURL=staging.js.map
