import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { emptyDescription, type ModelDescription } from '../checkpoints/describe.ts';
import type { ModelParts } from '../messages.ts';
import { type Clock, machineClock } from './clock.ts';
import { childEnvironment } from './environment.ts';
import { packageRoot } from './runtimeProcess.ts';

/** To the describing process, one at a time. */
export interface ToDescribe {
  id: number;
  path: string;
  parts: ModelParts | undefined;
}

/** Its answer. */
export interface Described {
  id: number;
  model: ModelDescription;
}

export interface DescriberOptions {
  /** Milliseconds that reading one folder or file may take, before it is called unavailable; default 10,000. */
  limitMs?: number;
  /** Milliseconds without work after which the process ends; default 10,000. */
  restMs?: number;
  /** Default: the machine's. */
  clock?: Clock;
}

export interface Describer extends AsyncDisposable {
  /**
   * Says what a folder or file holds, as `describeModel` does, in a process of its own: the caller's event loop goes on, and
   * files that take the process down or too long to read are unavailable with that as the reason. Never rejects.
   *
   * @param path - absolute
   */
  describe(path: string, parts?: ModelParts): Promise<ModelDescription>;
  /** Ends the process; what is still to be described is unavailable. */
  close(): Promise<void>;
}

/** Megabytes of JavaScript's heap that reading configs and headers may take; a whole XL model takes some 30. */
const HEAP_MB = 512;

const DEFAULT_LIMIT_MS = 10_000;
const DEFAULT_REST_MS = 10_000;

interface Asked extends ToDescribe {
  resolve: (model: ModelDescription) => void;
}

/** @param program - what the process runs; default: the package's own */
export function startDescriber(options: DescriberOptions = {}, program = ownProgram()): Describer {
  return new ProcessDescriber(options, program);
}

class ProcessDescriber implements Describer {
  private readonly program: string;
  private readonly limitMs: number;
  private readonly restMs: number;
  private readonly clock: Clock;
  private readonly waiting: Asked[] = [];
  private current: Asked | undefined;
  private child: ChildProcess | undefined;
  private timer: ReturnType<Clock['after']> | undefined;
  private ids = 0;
  private closed = false;

  constructor({ limitMs, restMs, clock }: DescriberOptions, program: string) {
    this.program = program;
    this.limitMs = limitMs ?? DEFAULT_LIMIT_MS;
    this.restMs = restMs ?? DEFAULT_REST_MS;
    this.clock = clock ?? machineClock;
  }

  describe(path: string, parts?: ModelParts): Promise<ModelDescription> {
    return new Promise((resolve) => {
      this.waiting.push({ id: ++this.ids, path, parts, resolve });
      if (!this.current) this.next();
    });
  }

  async close(): Promise<void> {
    this.closed = true;
    this.end();
    if (this.current) this.giveUp('The server is being stopped.');
    this.timer?.cancel();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private next(): void {
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
    const { id, path, parts } = current;
    this.child.send({ id, path, parts } satisfies ToDescribe, () => {});
    this.timer = this.clock.after(this.limitMs, () => {
      this.end();
      this.giveUp(`Reading its files took longer than ${this.limitMs / 1000} s.`);
    });
  }

  private begin(): ChildProcess {
    const child = fork(this.program, [], {
      serialization: 'advanced',
      execArgv: [`--max-old-space-size=${HEAP_MB}`],
      env: childEnvironment(process.env),
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    child.on('message', ({ id, model }: Described) => {
      if (this.child === child && this.current?.id === id) this.settle(model);
    });
    const gone = (how: string) => {
      if (this.child !== child) return;
      this.child = undefined;
      if (!this.current) return;
      this.giveUp(`The process that read its files ended (${how}); they may ask for more memory than any real ones.`);
    };
    child.on('error', (error) => gone(error.message));
    child.on('exit', (code, signal) => gone(signal ?? `exit code ${code}`));
    return child;
  }

  private end(): void {
    const { child } = this;
    this.child = undefined;
    // It holds nothing that could be lost, and may be in a loop that sees no other sign.
    child?.kill('SIGKILL');
  }

  private giveUp(reason: string): void {
    this.settle({ ...emptyDescription(this.current!.path), reason });
  }

  private settle(model: ModelDescription): void {
    const { resolve } = this.current!;
    resolve(model);
    this.next();
  }
}

/** As it was built; Node 20 cannot run the sources. */
function ownProgram(): string {
  return join(packageRoot(), 'dist/runtime/process/describing.js');
}
