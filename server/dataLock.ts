import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, rm, stat, utimes } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Clock } from './clock.ts';

/** Heartbeat of a holder on another machine or in another container, and the time after which it counts as dead. */
const beatMs = 10_000;
const silentMs = 60_000;

interface Holder {
  pid: number;
  /** Start time of the process from the system; distinguishes it from a later process with the same id. */
  started: string;
  /** Containers have their own host names and process ids. */
  host: string;
}

/**
 * Locks a data folder for this server: two servers that clean up, evict and calibrate in one folder would destroy each
 * other's work. The lock of a dead process (also after `kill -9`) does not count. Throws an Error if another server has
 * the folder.
 */
export async function lockDataFolder(folder: string, clock: Clock): Promise<AsyncDisposable> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = path.join(folder, 'lock');
  const mine: Holder = { pid: process.pid, started: startOf(process.pid), host: os.hostname() };
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

/** Creates the file with its content in one step: an empty file would look like the lock of a dead process. */
function tryCreate(file: string, text: string): boolean {
  const whole = `${file}.${randomUUID()}`;
  try {
    writeFileSync(whole, text, { flag: 'wx', mode: 0o600 });
    return tryLink(whole, file, text);
  } finally {
    rmSync(whole, { force: true });
  }
}

function tryLink(whole: string, file: string, text: string): boolean {
  try {
    linkSync(whole, file);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error;
  }
  // The file system has no hard links.
  try {
    writeFileSync(file, text, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Removes the lock that was `seen`, but no newer one: another server may have found the same dead holder and taken the
 * folder meanwhile. Only one of them can rename the file.
 */
function removeDead(file: string, seen: string | undefined): void {
  const taken = `${file}.${randomUUID()}`;
  try {
    renameSync(file, taken);
    if (readFileSafely(taken) !== seen) linkSync(taken, file);
  } catch (error) {
    // The other server removed it, or a third one created it.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'EEXIST') throw error;
  } finally {
    rmSync(taken, { force: true });
  }
}

function parseHolder(text: string | undefined): Holder | undefined {
  try {
    const { pid, started, host } = JSON.parse(text ?? '') as Partial<Holder>;
    return typeof pid === 'number' && typeof started === 'string' && typeof host === 'string'
      ? { pid, started, host }
      : undefined;
  } catch {
    return undefined;
  }
}

async function lives({ pid, started, host }: Holder, file: string): Promise<boolean> {
  if (host !== os.hostname()) {
    const beaten = await stat(file).catch(() => undefined);
    return beaten !== undefined && Date.now() - beaten.mtimeMs < silentMs;
  }
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return startOf(pid) === started;
}

/** Ticks since boot, on Linux; other systems only have the process id. */
function startOf(pid: number): string {
  // Follows the name, which may contain blanks and parentheses; field 22 of proc(5).
  const [, fields = ''] = /^.*\) (.*)$/s.exec(readFileSafely(`/proc/${pid}/stat`) ?? '') ?? [];
  return fields.split(' ')[19] ?? '';
}

function readFileSafely(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
