import { randomBytes } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { isRunning } from './staging.ts';

/** How long to wait for another process, in milliseconds; it holds the lock for a few renames. */
const patienceMs = 20_000;

/**
 * Runs `work` under the lock of a models folder. Takes over the lock of a process that has ended.
 *
 * @throws a sentence if another process holds the lock for too long
 */
export async function locked<T>(modelsDir: string, work: () => Promise<T>): Promise<T> {
  const file = path.join(modelsDir, '.models.lock');
  const until = performance.now() + patienceMs;
  while (!(await taken(file))) {
    const owner = await ownerOf(file);
    if (owner !== undefined && !isRunning(owner)) await removeStale(file, owner);
    if (performance.now() > until) {
      const who = owner === undefined ? 'another process' : `process ${owner}`;
      throw new Error(
        `${who[0]!.toUpperCase()}${who.slice(1)} is changing ${modelsDir}. Try again when it has ended, or delete ${file}.`,
      );
    }
    await wait(20 + Math.random() * 30);
  }
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

async function taken(file: string): Promise<boolean> {
  try {
    await writeFile(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Undefined if the lock has just been removed, or its owner has not written its id yet. */
async function ownerOf(file: string): Promise<number | undefined> {
  const pid = Number(await readFile(file, 'utf8').catch(() => ''));
  return pid > 0 ? pid : undefined;
}

/** Renames the lock before deleting it: of two processes that find it stale, only one gets it, and no newer lock. */
async function removeStale(file: string, owner: number): Promise<void> {
  const aside = `${file}.${randomBytes(4).toString('hex')}`;
  await rename(file, aside).catch(() => {});
  // Another process was faster, and this is its lock.
  if ((await ownerOf(aside)) !== owner) await rename(aside, file).catch(() => {});
  await rm(aside, { force: true });
}
