import { fork } from 'node:child_process';
import { join } from 'node:path';
import { emptyDescription } from '../checkpoints/describe.js';
import { machineClock } from './clock.js';
import { childEnvironment } from './environment.js';
import { packageRoot } from './runtimeProcess.js';

/** Megabytes of JavaScript's heap that reading configs and headers may take; a whole XL model takes some 30. */
const HEAP_MB = 512;
const DEFAULT_LIMIT_MS = 10_000;
const DEFAULT_REST_MS = 10_000;
/** @param program - what the process runs; default: the package's own */
export function startDescriber(options = {}, program = ownProgram()) {
  return new ProcessDescriber(options, program);
}
class ProcessDescriber {
  program;
  limitMs;
  restMs;
  clock;
  waiting = [];
  current;
  child;
  timer;
  ids = 0;
  closed = false;
  constructor({ limitMs, restMs, clock }, program) {
    this.program = program;
    this.limitMs = limitMs ?? DEFAULT_LIMIT_MS;
    this.restMs = restMs ?? DEFAULT_REST_MS;
    this.clock = clock ?? machineClock;
  }
  describe(path) {
    return new Promise((resolve) => {
      this.waiting.push({ id: ++this.ids, path, resolve });
      if (!this.current) this.next();
    });
  }
  async close() {
    this.closed = true;
    this.end();
    if (this.current) this.giveUp('The server is being stopped.');
    this.timer?.cancel();
  }
  [Symbol.asyncDispose]() {
    return this.close();
  }
  next() {
    this.timer?.cancel();
    this.current = this.waiting.shift();
    const { current } = this;
    if (!current) {
      // An idle process does not keep this one alive.
      this.child?.unref();
      this.child?.channel?.unref();
      if (!this.closed) this.timer = this.clock.after(this.restMs, () => this.end());
      return;
    }
    if (this.closed) {
      this.giveUp('The server is being stopped.');
      return;
    }
    this.child ??= this.begin();
    this.child.ref();
    this.child.channel?.ref();
    // A channel that is gone is followed by `exit`.
    this.child.send({ id: current.id, path: current.path }, () => {});
    this.timer = this.clock.after(this.limitMs, () => {
      this.end();
      this.giveUp(`Reading its files took longer than ${this.limitMs / 1000} s.`);
    });
  }
  begin() {
    const child = fork(this.program, [], {
      serialization: 'advanced',
      execArgv: [`--max-old-space-size=${HEAP_MB}`],
      env: childEnvironment(process.env),
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    child.on('message', ({ id, model }) => {
      if (this.child === child && this.current?.id === id) this.settle(model);
    });
    const gone = (how) => {
      if (this.child !== child) return;
      this.child = undefined;
      if (!this.current) return;
      this.giveUp(`The process that read its files ended (${how}); they may ask for more memory than any real ones.`);
    };
    child.on('error', (error) => gone(error.message));
    child.on('exit', (code, signal) => gone(signal ?? `exit code ${code}`));
    return child;
  }
  end() {
    const { child } = this;
    this.child = undefined;
    // It holds nothing that could be lost, and may be in a loop that sees no other sign.
    child?.kill('SIGKILL');
  }
  giveUp(reason) {
    this.settle({ ...emptyDescription(this.current.path), reason });
  }
  settle(model) {
    const { resolve } = this.current;
    resolve(model);
    this.next();
  }
}
/** As it was built; Node 20 cannot run the sources. */
function ownProgram() {
  return join(packageRoot(), 'dist/runtime/process/describing.js');
}
//# sourceMappingURL=describer.js.map
