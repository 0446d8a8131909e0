import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { FromRuntime, ToRuntime } from '../messages.ts';
import { childEnvironment } from './environment.ts';
import type { Run } from './run.ts';

/**
 * Memory of closed graphs goes back to the system. glibc raises this threshold to 32 MB by itself once a large block was freed,
 * and keeps smaller blocks: 2 GB of a closed text encoder of 4 billion weights. With a fixed threshold 80 MB are left of them.
 */
const returningMemory = { MALLOC_MMAP_THRESHOLD_: String(2 ** 20), MALLOC_TRIM_THRESHOLD_: String(2 ** 20) };

/** Time for an idle process to exit before it is killed. */
const EXIT_GRACE_MS = 2_000;

/** A process that fails every call. */
export interface Broken {
  run: Run;
  reason: string;
  /** Whether the model may be the cause; false if the provider itself is lost. */
  blamesModel: boolean;
  /** Whether the device reported that it is lost. */
  deviceLost: boolean;
}

/** A runtime process, from start to end. */
export interface RuntimeProcess {
  process: ChildProcess;
  ready: boolean;
  /** Reason why its provider did not start. */
  unready?: string;
  /** Folders and files of its runs: it may hold all or some of them. */
  touched: Set<string>;
  /** The models among them. */
  touchedModels: Set<string>;
  /** Models that it reported as loaded. */
  loaded: Set<string>;
  /** Number of finished runs. */
  finished: number;
  /** Start time, by `performance.now()`. */
  begunAt: number;
  /** Milliseconds from then until it was ready. */
  startMs: number;
  /** Set if it fails every call and is killed for that. */
  broken?: Broken;
  /** It was asked to exit, so its exit is no loss. */
  dismissed: boolean;
  /** Resolves when it has ended and all its messages were read. */
  gone: Promise<void>;
}

/** Callbacks of a process. */
export interface Listeners {
  said: (message: FromRuntime) => void;
  /** Called once, after the last message. */
  ended: (code: number | null, signal: NodeJS.Signals | null) => void;
  log: (message: string, fields: object) => void;
}

/** Starts a process. No callback runs before this returns. */
export function startProcess(program: string, { said, ended, log }: Listeners): RuntimeProcess {
  const child = fork(program, [], {
    serialization: 'advanced',
    execArgv: [],
    env: { ...returningMemory, ...childEnvironment(process.env) },
    // Its output must not reach the server's stdout.
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const gone = deferred();
  child.on('message', (told: FromRuntime | FromRuntime[]) => {
    for (const message of Array.isArray(told) ? told : [told]) said(message);
  });
  // Without a listener a failed spawn or send would throw; both end in `close` or in a run's deadline.
  child.on('error', (error) => log('The runtime process could not be reached.', { error: error.message }));
  if (child.stderr) {
    createInterface({ input: child.stderr }).on('line', (line) =>
      log('The runtime process wrote to stderr.', { line }),
    );
  }
  // Not `exit`: messages sent just before the end, such as a finished picture, may still be in the channel.
  let over = false;
  const onGone = (code: number | null, signal: NodeJS.Signals | null) => {
    if (over) return;
    over = true;
    gone.resolve();
    ended(code, signal);
  };
  child.on('close', onGone);
  // Node emits no `close` after the parent's `disconnect`; then there is nothing left to read.
  child.on('exit', (code, signal) => {
    if (!child.connected) onGone(code, signal);
  });
  // A process that failed to spawn has no `close`.
  child.on('error', () => child.pid === undefined && onGone(null, null));
  return {
    process: child,
    ready: false,
    touched: new Set(),
    touchedModels: new Set(),
    loaded: new Set(),
    finished: 0,
    begunAt: performance.now(),
    startMs: 0,
    dismissed: false,
    gone: gone.promise,
  };
}

export function send(child: RuntimeProcess, message: ToRuntime): void {
  // The callback prevents an exception of a send into a closed channel; `close` follows and settles every run.
  if (child.process.connected) child.process.send(message, () => {});
}

/** Asks an idle process to exit by closing its channel, and waits for its end. */
export async function dismiss(child: RuntimeProcess): Promise<void> {
  child.dismissed = true;
  if (child.process.connected) child.process.disconnect();
  const timer = setTimeout(() => child.process.kill('SIGKILL'), EXIT_GRACE_MS);
  await child.gone;
  clearTimeout(timer);
}

/** Files are not held after all. */
export function forget(child: RuntimeProcess, files: readonly string[]): void {
  for (const file of files) {
    if (child.loaded.has(file)) continue;
    child.touched.delete(file);
    child.touchedModels.delete(file);
  }
}

/** `Promise.withResolvers`, which Node 20 lacks. */
export function deferred(): { promise: Promise<void>; resolve: () => void; reject: (error: Error) => void } {
  let resolve = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

/** The built entry of the runtime process; Node 20 cannot run the sources. */
export function ownProgram(): string {
  return join(packageRoot(), 'dist/runtime/process/main.js');
}

/** The folder of this package. It is searched, because sources and built files are at different depths. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const file = join(folder, 'package.json');
    if (existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).name === 'latentwire') return folder;
    const parent = dirname(folder);
    if (parent === folder) throw new Error('The package of the runtime was not found above its files.');
    folder = parent;
  }
}
