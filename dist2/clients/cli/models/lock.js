import { randomBytes } from 'node:crypto';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { isRunning } from './staging.js';

/** How long another process is waited for, in milliseconds; it holds the lock for a few renames. */
const patienceMs = 20_000;
/**
 * Does `work` while no other process of this program does so in the same models folder. A lock whose process is gone is
 * taken over.
 *
 * @throws a sentence where another process holds the lock for too long
 */
export async function locked(modelsDir, work) {
  const file = path.join(modelsDir, '.models.lock');
  const until = performance.now() + patienceMs;
  while (!(await taken(file))) {
    const owner = await ownerOf(file);
    if (owner !== undefined && !isRunning(owner)) await removeStale(file, owner);
    if (performance.now() > until) {
      const who = owner === undefined ? 'another process' : `process ${owner}`;
      throw new Error(`${modelsDir} is being changed by ${who}. Try again when it has ended, or delete ${file}.`);
    }
    await wait(20 + Math.random() * 30);
  }
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}
async function taken(file) {
  try {
    await writeFile(file, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}
/** Undefined where the lock has just gone, or its owner has not written yet who it is. */
async function ownerOf(file) {
  const pid = Number(await readFile(file, 'utf8').catch(() => ''));
  return pid > 0 ? pid : undefined;
}
/** Renamed before it is deleted: of two processes that find it stale, one alone gets it, and not a newer lock. */
async function removeStale(file, owner) {
  const aside = `${file}.${randomBytes(4).toString('hex')}`;
  await rename(file, aside).catch(() => {});
  // Another process was faster, and this is its lock.
  if ((await ownerOf(aside)) !== owner) await rename(aside, file).catch(() => {});
  await rm(aside, { force: true });
}
//# sourceMappingURL=lock.js.map
