import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, rm, stat, utimes } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

/** How often the holder on another machine or in another container shows that it lives, and after what time it does not. */
const beatMs = 10_000;
const silentMs = 60_000;
/**
 * Takes a data folder for this server alone: two that sweep, evict and calibrate in one folder would undo each other's work.
 * A holder that died, by `kill -9` too, holds nothing. Throws an Error where another server has the folder.
 */
export async function lockDataFolder(folder, clock) {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = path.join(folder, 'lock');
  const mine = { pid: process.pid, started: startOf(process.pid), host: os.hostname() };
  const text = JSON.stringify(mine);
  for (let attempt = 0; !tryCreate(file, text); attempt++) {
    const seen = readFileSafely(file);
    const holder = parseHolder(seen);
    const isAlive = holder !== undefined && (await lives(holder, file));
    if (isAlive || attempt > 2) {
      const who = holder === undefined ? '' : ` (process ${holder.pid} on ${holder.host})`;
      throw new Error(`Another server${who} uses the data folder ${folder}. Give this one its own with --data-dir.`);
    }
    removeDead(file, seen);
  }
  const beat = clock.every(beatMs, () => void utimes(file, new Date(), new Date()).catch(() => {}));
  return {
    async [Symbol.asyncDispose]() {
      beat.cancel();
      if (readFileSafely(file) === text) await rm(file, { force: true });
    },
  };
}
/** Creates the file with its content at once: one that is still empty would look like the lock of a dead holder. */
function tryCreate(file, text) {
  const whole = `${file}.${randomUUID()}`;
  try {
    writeFileSync(whole, text, { flag: 'wx', mode: 0o600 });
    return tryLink(whole, file, text);
  } finally {
    rmSync(whole, { force: true });
  }
}
function tryLink(whole, file, text) {
  try {
    linkSync(whole, file);
    return true;
  } catch (error) {
    const { code } = error;
    if (code === 'EEXIST') return false;
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error;
  }
  // A file system without hard links.
  try {
    writeFileSync(file, text, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}
/**
 * Removes the lock that was `seen`, and no newer one: another server may have found the same dead holder, and may have taken
 * the folder meanwhile. Only one of them gets the file by its renaming.
 */
function removeDead(file, seen) {
  const taken = `${file}.${randomUUID()}`;
  try {
    renameSync(file, taken);
    if (readFileSafely(taken) !== seen) linkSync(taken, file);
  } catch (error) {
    // Removed by the other, or created by a third.
    const { code } = error;
    if (code !== 'ENOENT' && code !== 'EEXIST') throw error;
  } finally {
    rmSync(taken, { force: true });
  }
}
function parseHolder(text) {
  try {
    const { pid, started, host } = JSON.parse(text ?? '');
    return typeof pid === 'number' && typeof started === 'string' && typeof host === 'string'
      ? { pid, started, host }
      : undefined;
  } catch {
    return undefined;
  }
}
async function lives({ pid, started, host }, file) {
  if (host !== os.hostname()) {
    const beaten = await stat(file).catch(() => undefined);
    return beaten !== undefined && Date.now() - beaten.mtimeMs < silentMs;
  }
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (error.code === 'ESRCH') return false;
  }
  return startOf(pid) === started;
}
/** Ticks after the start of the system, of Linux; elsewhere nothing is known but the number of the process. */
function startOf(pid) {
  // Behind the name, which may hold blanks and parentheses; field 22 of proc(5).
  const [, fields = ''] = /^.*\) (.*)$/s.exec(readFileSafely(`/proc/${pid}/stat`) ?? '') ?? [];
  return fields.split(' ')[19] ?? '';
}
function readFileSafely(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
//# sourceMappingURL=dataLock.js.map
