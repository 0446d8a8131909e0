import { lstat, mkdir, open, readdir, rename, rm, rmdir, statfs } from 'node:fs/promises';
import path from 'node:path';
import { humanBytes } from '../transfer.ts';

/**
 * Files stay here until they are complete. The catalog skips names that begin with a dot. The folder is on the same file
 * system as the models, so the last step is a rename.
 */
const folderName = '.incoming';

export interface Staging extends AsyncDisposable {
  /** Absolute, and there. */
  readonly folder: string;
}

/** A staging folder of this process, deleted at its end. */
export async function openStaging(modelsDir: string): Promise<Staging> {
  await removeOrphans(path.join(modelsDir, folderName));
  return await create(modelsDir, `${ownPrefix}${process.pid}`, false);
}

/** A staging folder whose files stay for the next call with the same key. */
export async function openKeptStaging(modelsDir: string, key: string): Promise<Staging> {
  return await create(modelsDir, key, true);
}

const ownPrefix = 'process-';

async function create(modelsDir: string, key: string, kept: boolean): Promise<Staging> {
  const folder = path.join(modelsDir, folderName, key);
  await mkdir(folder, { recursive: true });
  return {
    folder,
    async [Symbol.asyncDispose]() {
      if (!kept) await rm(folder, { recursive: true, force: true });
      // rmdir fails on a folder that is not empty, as intended.
      for (const empty of [folder, path.dirname(folder)]) await rmdir(empty).catch(() => {});
    },
  };
}

/** Removes the files of killed processes, which may be gigabytes. */
async function removeOrphans(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    if (name.startsWith(ownPrefix) && !isRunning(Number(name.slice(ownPrefix.length)))) {
      await rm(path.join(folder, name), { recursive: true, force: true });
    }
  }
}

/** Whether another process with that id runs. */
export function isRunning(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // Another user's process answers with EPERM.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Endings of the files and folders that the runtime reads beside a single file. */
export const companions = ['.safetensors.json', '.tokenizer', '.tokenizer_2'];

/** Refuses a name that a file or folder has already, in either layout. */
export async function checkFree(modelsDir: string, name: string): Promise<void> {
  for (const taken of [name, `${name}.safetensors`, ...companions.map((ending) => name + ending)]) {
    if (await exists(path.join(modelsDir, taken))) {
      throw new Error(`${path.join(modelsDir, taken)} exists already. Give another --name, or remove it first.`);
    }
  }
}

/** A name is one part of a path, on every system, and not hidden. */
export function checkName(name: string): void {
  if (/^[\p{L}\p{N}_][\p{L}\p{N}_ .,()[\]+=-]*$/u.test(name) && !/[ .]$/.test(name) && name.length <= 200) return;
  throw new Error(
    `"${name}" cannot be the name of a model. A name has letters, digits, spaces and .,_-+=()[], and begins with a letter, a digit or _.`,
  );
}

/** @param needed - bytes that are still to be written there */
export async function checkSpace(folder: string, needed: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (needed <= free) return;
  throw new Error(`${folder} has ${humanBytes(free)} free, but needs ${humanBytes(needed)}.`);
}

/** Moves finished files out of the staging folder: [from, to]. All or none. */
export async function settle(moves: readonly (readonly [from: string, to: string])[]): Promise<void> {
  const settled: string[] = [];
  try {
    for (const [from, to] of moves) {
      // A rename would replace a file that appeared in the meantime.
      if (await exists(to)) throw new Error(`${to} exists already; nothing was changed.`);
      await rename(from, to);
      settled.push(to);
    }
  } catch (error) {
    for (const to of settled) await rm(to, { recursive: true, force: true });
    throw error;
  }
  for (const folder of new Set(moves.map(([, to]) => path.dirname(to)))) await syncFolder(folder);
}

/** Makes renames in a folder survive a power failure, if the system can. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

async function exists(file: string): Promise<boolean> {
  return lstat(file).then(
    () => true,
    () => false,
  );
}
