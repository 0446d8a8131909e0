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

/** How long an idle process that was asked to leave may take before it is killed. */
const EXIT_GRACE_MS = 2_000;

/** That a process fails every call, as a run showed. */
export interface Broken {
  run: Run;
  reason: string;
  /** Whether it may be the model's doing: the provider itself is gone, not only this model's calls fail. */
  blamesModel: boolean;
  /** Whether the device said that it is lost. */
  deviceLost: boolean;
}

/** A process that holds models, from its start to its end. */
export interface RuntimeProcess {
  process: ChildProcess;
  ready: boolean;
  /** Why it could not start its provider. */
  unready?: string;
  /** Folders and files of the runs it was given: it may hold some or all of each. */
  touched: Set<string>;
  /** Those of them that are models. */
  touchedModels: Set<string>;
  /** Models it said it holds. */
  loaded: Set<string>;
  /** Runs it finished. */
  finished: number;
  /** When it was started, by `performance.now()`. */
  begunAt: number;
  /** Milliseconds from then until it was ready. */
  startMs: number;
  /** It fails every call, and is killed for it. */
  broken?: Broken;
  /** It was asked to leave; its exit is no loss. */
  dismissed: boolean;
  /** Resolves when it has ended and all that it said was read. */
  gone: Promise<void>;
}

/** What is to be known of a process. */
export interface Listeners {
  said: (message: FromRuntime) => void;
  /** Called once, after the last message. */
  ended: (code: number | null, signal: NodeJS.Signals | null) => void;
  log: (message: string, fields: object) => void;
}

/** Starts a process. Nothing is told before this returns. */
export function startProcess(program: string, { said, ended, log }: Listeners): RuntimeProcess {
  const child = fork(program, [], {
    serialization: 'advanced',
    execArgv: [],
    env: { ...returningMemory, ...childEnvironment(process.env) },
    // Nothing of the process may reach the server's standard output, which can be a log of its own.
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const gone = deferred();
  child.on('message', (told: FromRuntime | FromRuntime[]) => {
    for (const message of Array.isArray(told) ? told : [told]) said(message);
  });
  // Without a listener a failed spawn or send would be thrown; both end in `close` or in a run's deadline.
  child.on('error', (error) => log('The runtime process could not be reached.', { error: error.message }));
  if (child.stderr) {
    createInterface({ input: child.stderr }).on('line', (line) =>
      log('The runtime process wrote to its error output.', { line }),
    );
  }
  // Not `exit` alone: messages sent just before the end may still be in the channel, a finished picture among them.
  let over = false;
  const onGone = (code: number | null, signal: NodeJS.Signals | null) => {
    if (over) return;
    over = true;
    gone.resolve();
    ended(code, signal);
  };
  child.on('close', onGone);
  // Node emits no `close` after the parent's own `disconnect`; then there is nothing left to read either.
  child.on('exit', (code, signal) => {
    if (!child.connected) onGone(code, signal);
  });
  // A process that was never spawned has no `close`.
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
  // The callback keeps a send into a closed channel from throwing; `close` follows and settles every run.
  if (child.process.connected) child.process.send(message, () => {});
}

/** Asks an idle process to leave and waits until it has; closing its channel is the request. */
export async function dismiss(child: RuntimeProcess): Promise<void> {
  child.dismissed = true;
  if (child.process.connected) child.process.disconnect();
  const timer = setTimeout(() => child.process.kill('SIGKILL'), EXIT_GRACE_MS);
  await child.gone;
  clearTimeout(timer);
}

/** Takes back that files may be held, where none was told to be. */
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

/** The runtime's process as it was built; Node 20 cannot run the sources. */
export function ownProgram(): string {
  return join(packageRoot(), 'dist/runtime/process/main.js');
}

/** The folder of this package. Sources and built files lie at different depths, so it is looked for. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const file = join(folder, 'package.json');
    if (existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).name === 'latentwire') return folder;
    const parent = dirname(folder);
    if (parent === folder) throw new Error('The package of the runtime was not found above its own files.');
    folder = parent;
  }
}
