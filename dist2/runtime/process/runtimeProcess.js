import { fork } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { childEnvironment } from './environment.js';

/** How long an idle process that was asked to leave may take before it is killed. */
const EXIT_GRACE_MS = 2_000;
/** Starts a process. Nothing is told before this returns. */
export function startProcess(program, { said, ended, log }) {
  const child = fork(program, [], {
    serialization: 'advanced',
    execArgv: [],
    env: childEnvironment(process.env),
    // Nothing of the process may reach the server's standard output, which can be a log of its own.
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const gone = deferred();
  child.on('message', (told) => {
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
  const onGone = (code, signal) => {
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
export function send(child, message) {
  // The callback keeps a send into a closed channel from throwing; `close` follows and settles every run.
  if (child.process.connected) child.process.send(message, () => {});
}
/** Asks an idle process to leave and waits until it has; closing its channel is the request. */
export async function dismiss(child) {
  child.dismissed = true;
  if (child.process.connected) child.process.disconnect();
  const timer = setTimeout(() => child.process.kill('SIGKILL'), EXIT_GRACE_MS);
  await child.gone;
  clearTimeout(timer);
}
/** Takes back that files may be held, where none was told to be. */
export function forget(child, files) {
  for (const file of files) {
    if (child.loaded.has(file)) continue;
    child.touched.delete(file);
    child.touchedModels.delete(file);
  }
}
/** `Promise.withResolvers`, which Node 20 lacks. */
export function deferred() {
  let resolve = () => {};
  let reject = () => {};
  const promise = new Promise((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
/** The runtime's process as it was built; Node 20 cannot run the sources. */
export function ownProgram() {
  return join(packageRoot(), 'dist/runtime/process/main.js');
}
/** The folder of this package. Sources and built files lie at different depths, so it is looked for. */
export function packageRoot() {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const file = join(folder, 'package.json');
    if (existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).name === 'latentwire') return folder;
    const parent = dirname(folder);
    if (parent === folder) throw new Error('The package of the runtime was not found above its own files.');
    folder = parent;
  }
}
//# sourceMappingURL=runtimeProcess.js.map
