import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { emptyDescription, type ModelDescription } from '../checkpoints/describe.ts';
import type { ModelParts } from '../messages.ts';
import { type Clock, machineClock } from './clock.ts';
import { childEnvironment } from './environment.ts';
import { packageRoot } from './runtimeProcess.ts';

/** Request to the describing process; one at a time. */
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
  /** Time limit in milliseconds for reading one folder or file, after which it is unavailable; default 10,000. */
  limitMs?: number;
  /** Idle milliseconds after which the process ends; default 10,000. */
  restMs?: number;
  /** Default: the system clock. */
  clock?: Clock;
}

export interface Describer extends AsyncDisposable {
  /**
   * Describes a folder or file like `describeModel`, in a separate process: the event loop of the caller stays free,
   * and files that crash the process or take too long are unavailable with that reason. Never rejects.
   *
   * @param path - absolute
   */
  describe(path: string, parts?: ModelParts): Promise<ModelDescription>;
  /** Ends the process; pending descriptions are unavailable. */
  close(): Promise<void>;
}

/** JavaScript heap limit in megabytes for reading configs and headers; a whole XL model takes about 30. */
const HEAP_MB = 512;

const DEFAULT_LIMIT_MS = 10_000;
const DEFAULT_REST_MS = 10_000;

interface Asked extends ToDescribe {
  resolve: (model: ModelDescription) => void;
}

/** @param program - program of the process; default: the package's */
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
    if (this.current) this.giveUp('The server is stopping.');
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
      this.giveUp('The server is stopping.');
      return;
    }
    this.child ??= this.begin();
    this.child.ref();
    this.child.channel?.ref();
    // A closed channel is followed by `exit`.
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
      this.giveUp(`The process that read its files ended (${how}); they may need too much memory.`);
    };
    child.on('error', (error) => gone(error.message));
    child.on('exit', (code, signal) => gone(signal ?? `exit code ${code}`));
    return child;
  }

  private end(): void {
    const { child } = this;
    this.child = undefined;
    // It has no state to lose, and may be in an endless loop that sees no signal.
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

/** The built file; Node 20 cannot run the sources. */
function ownProgram(): string {
  return join(packageRoot(), 'dist/runtime/process/describing.js');
}
