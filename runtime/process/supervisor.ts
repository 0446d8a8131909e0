import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { fromErrorMessage, RuntimeError } from '../errors.ts';
import type { FromRuntime, GenerateRequest, LogLevel, RunEvent, Stage, ToRuntime } from '../messages.ts';
import { Inbox } from './inbox.ts';

export interface RuntimeOptions {
  /** `auto`, or a provider by name: cpu, webgpu, cuda, coreml, dml. */
  provider: string;
  /** Takes a fixed sentence and structured fields; never prompts or images. */
  log: (level: LogLevel, message: string, fields?: object) => void;
  /**
   * Milliseconds a run may stay in a stage before the process is killed and the run fails with `stageTimeout`;
   * for `denoising` each step has that long. Defaults: loading 600 000, encoding 120 000, denoising 300 000, decoding
   * 300 000. A run that waits for its turn has no deadline.
   */
  deadlinesMs?: Partial<Record<Stage, number>>;
  /**
   * Models held by one process at a time; default 2. A run of one more model recycles the process as soon as nothing is
   * running, because the memory of released ONNX sessions does not come back.
   */
  maxModels?: number;
  /** Threads of one graph; default: onnxruntime's own choice (one per physical core). */
  threads?: number;
}

export interface RuntimeStatus {
  /** `restarting` after a crash, a kill or a recycling; `stopped` once closed, or when the provider cannot start. */
  state: 'starting' | 'ready' | 'restarting' | 'stopped';
  /** Absent while no process lives. */
  pid?: number;
  /** The provider that was really started, once known, and why that one. */
  provider?: string;
  providerReason?: string;
  /** Times the process was lost (crashed or killed); recyclings do not count. */
  restarts: number;
  /** Folders of the models that the process holds. */
  models: string[];
  /** Resident memory of the process when it last loaded a model or finished a run. */
  memoryBytes?: number;
}

export interface Runtime extends AsyncDisposable {
  /** Settles when the process has started its provider; rejects when it cannot. */
  ready(): Promise<void>;
  /**
   * Draws one image. Runs may overlap; they are queued here and driven one at a time, oldest first.
   *
   * Throws `RuntimeError` when the run fails. After `signal` is aborted it throws `signal.reason`: at once while waiting,
   * and before the next step while running. Leaving the iteration early cancels the run too. When the process dies, the
   * run starts again from the beginning once (same seed, same picture; no second `started`, and steps already told are
   * told again), then fails with `runtimeLost`. A slow reader loses previews (the newest wins), never another event.
   */
  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<RunEvent>;
  status(): RuntimeStatus;
  /** Ends the process; running and waiting runs have `graceMs` (default 0) to finish, then fail with `runtimeLost`. */
  close(graceMs?: number): Promise<void>;
}

/** Runs given to the process at a time. The process can interleave more, step by step; one is what pays on a CPU. */
const LIVE_RUNS = 1;

const DEFAULT_DEADLINES_MS: Record<Stage, number> = {
  loading: 600_000,
  encoding: 120_000,
  denoising: 300_000,
  decoding: 300_000,
};

/** Pauses before the process is started again, by losses in a row since the last finished run; the last one repeats. */
const RESTART_DELAYS_MS = [0, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000];

/** After so many starts in a row that came to nothing, runs fail instead of waiting for the next try. */
const HOPELESS_STARTS = 3;

/** How long an idle process that was asked to leave may take before it is killed. */
const EXIT_GRACE_MS = 2_000;

/** Deaths in a row that quarantine a model. */
const FATAL_DEATHS = 2;

/** Starts the runtime's process at once; `ready()` tells whether its provider came up. */
export function startRuntime(options: RuntimeOptions): Runtime {
  return new Supervisor(options);
}

/** One call of `generate`, from its request to its last event. */
interface Run {
  id: number;
  request: GenerateRequest;
  signal: AbortSignal;
  inbox: Inbox;
  /** Times it was given to a process. */
  attempts: number;
  /** `started` was told; a second attempt must not tell it again. */
  started: boolean;
  /** What the process last said it was doing; `loading` until it says something. */
  stage: Stage;
  /** Nobody reads any more: the signal was aborted or the iteration was left. */
  abandoned: boolean;
  /** The deadline of this stage passed, and the process was killed for it. */
  timedOut: boolean;
  deadline: NodeJS.Timeout | undefined;
}

/** One life of the process. */
interface Life {
  process: ChildProcess;
  ready: boolean;
  /** Why it could not start its provider. */
  unready?: string;
  /** Models it was asked to run: it may hold parts of them. */
  touched: Set<string>;
  /** Models it said it holds. */
  loaded: Set<string>;
  /** It was asked to leave; its exit is no loss. */
  dismissed: boolean;
  gone: Promise<void>;
}

class Supervisor implements Runtime {
  private readonly options: RuntimeOptions;
  private readonly deadlinesMs: Record<Stage, number>;
  private readonly maxModels: number;
  private readonly waiting: Run[] = [];
  private readonly live = new Map<number, Run>();
  private readonly quarantine = new Map<string, { fingerprint: string; reason: string }>();
  /** Deaths of the process in a row, by the model that was running. */
  private readonly deaths = new Map<string, number>();
  private life: Life | undefined;
  private nextRun = 1;
  private restarts = 0;
  private losses = 0;
  private failedStarts = 0;
  private provider: { name: string; reason: string } | undefined;
  private memoryBytes: number | undefined;
  private restarting: NodeJS.Timeout | undefined;
  private closed: Promise<void> | undefined;
  /** Set when the very first start told that the provider cannot run here: trying again would tell the same. */
  private unusable: Error | undefined;
  private readonly firstReady = deferred();
  private idle: (() => void) | undefined;

  constructor(options: RuntimeOptions) {
    this.options = options;
    this.deadlinesMs = { ...DEFAULT_DEADLINES_MS, ...options.deadlinesMs };
    this.maxModels = Math.max(1, options.maxModels ?? 2);
    // Whoever never calls ready() learns of a failed start through generate() instead.
    this.firstReady.promise.catch(() => {});
    this.start();
  }

  ready(): Promise<void> {
    return this.firstReady.promise;
  }

  async *generate(request: GenerateRequest, signal: AbortSignal): AsyncGenerator<RunEvent, void, undefined> {
    signal.throwIfAborted();
    if (this.unusable) throw new RuntimeError('runtimeLost', this.unusable.message);
    if (this.closed) throw new RuntimeError('runtimeLost', 'The runtime was closed.');
    const run: Run = {
      id: this.nextRun++,
      request,
      signal,
      inbox: new Inbox(),
      attempts: 0,
      started: false,
      stage: 'loading',
      abandoned: false,
      timedOut: false,
      deadline: undefined,
    };
    const abort = () => this.abandon(run);
    signal.addEventListener('abort', abort, { once: true });
    this.waiting.push(run);
    this.pump();
    try {
      yield* run.inbox;
    } finally {
      signal.removeEventListener('abort', abort);
      this.abandon(run);
    }
  }

  status(): RuntimeStatus {
    const { life } = this;
    const state =
      this.closed || this.unusable
        ? 'stopped'
        : life?.ready && !life.dismissed
          ? 'ready'
          : this.provider === undefined && this.restarts === 0
            ? 'starting'
            : 'restarting';
    return {
      state,
      ...(life?.process.pid !== undefined && { pid: life.process.pid }),
      ...(this.provider && { provider: this.provider.name, providerReason: this.provider.reason }),
      restarts: this.restarts,
      models: [...(life?.loaded ?? [])],
      ...(this.memoryBytes !== undefined && { memoryBytes: this.memoryBytes }),
    };
  }

  close(graceMs = 0): Promise<void> {
    this.closed ??= this.shutDown(graceMs);
    return this.closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  private async shutDown(graceMs: number): Promise<void> {
    const busy = () => this.waiting.length > 0 || this.live.size > 0;
    if (graceMs > 0 && busy()) {
      const timer = new AbortController();
      await Promise.race([
        new Promise<void>((resolve) => {
          this.idle = resolve;
        }),
        sleep(graceMs, undefined, { signal: timer.signal }).catch(() => {}),
      ]);
      timer.abort();
    }
    clearTimeout(this.restarting);
    this.firstReady.reject(new RuntimeError('runtimeLost', 'The runtime was closed before it was ready.'));
    const interrupted = this.live.size > 0;
    for (const run of [...this.live.values(), ...this.waiting]) {
      this.settle(run, new RuntimeError('runtimeLost', 'The runtime was closed before this run finished.'));
    }
    const { life } = this;
    if (!life) return;
    // A process inside a step would only notice the end of its channel afterwards.
    if (interrupted) life.process.kill('SIGKILL');
    await dismiss(life);
  }

  private start(): void {
    const child = fork(join(packageRoot(), 'dist/runtime/process/main.js'), [], {
      serialization: 'advanced',
      execArgv: [],
      // Nothing of the process may reach the server's standard output, which can be a log of its own.
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const gone = deferred();
    const life: Life = {
      process: child,
      ready: false,
      touched: new Set(),
      loaded: new Set(),
      dismissed: false,
      gone: gone.promise,
    };
    this.life = life;
    const deadline = setTimeout(() => child.kill('SIGKILL'), this.deadlinesMs.loading);
    child.on('message', (message: FromRuntime) => {
      if (message.type === 'ready' || message.type === 'unready') clearTimeout(deadline);
      if (this.life === life) this.receive(life, message);
    });
    // Without a listener a failed spawn or send would be thrown; both end in `close` or in a run's deadline.
    child.on('error', (error) =>
      this.log('warn', 'The runtime process could not be reached.', { error: error.message }),
    );
    if (child.stderr) {
      createInterface({ input: child.stderr }).on('line', (line) =>
        this.log('warn', 'The runtime process wrote to its error output.', { line }),
      );
    }
    // Not `exit` alone: messages sent just before the end may still be in the channel, a finished picture among them.
    let over = false;
    const onGone = (code: number | null, signal: NodeJS.Signals | null) => {
      if (over) return;
      over = true;
      clearTimeout(deadline);
      gone.resolve();
      if (this.life === life) this.onGone(life, code, signal);
    };
    child.on('close', onGone);
    // Node emits no `close` after the parent's own `disconnect`; then there is nothing left to read either.
    child.on('exit', (code, signal) => {
      if (!child.connected) onGone(code, signal);
    });
    // A process that was never spawned has no `close`.
    child.on('error', () => child.pid === undefined && onGone(null, null));
    const { provider, threads } = this.options;
    this.send(life, { type: 'start', provider, threads });
  }

  private send(life: Life, message: ToRuntime): void {
    // The callback keeps a send into a closed channel from throwing; `close` follows and settles every run.
    if (life.process.connected) life.process.send(message, () => {});
  }

  private receive(life: Life, message: FromRuntime): void {
    switch (message.type) {
      case 'ready':
        life.ready = true;
        this.failedStarts = 0;
        this.provider = { name: message.provider, reason: message.reason };
        this.firstReady.resolve();
        this.log('info', 'The runtime is ready.', {
          pid: life.process.pid,
          provider: message.provider,
          reason: message.reason,
        });
        break;
      case 'unready':
        life.unready = message.message;
        break;
      case 'logged':
        this.log(message.level, message.message, message.fields);
        break;
      case 'loaded':
        life.loaded.add(message.model);
        this.memoryBytes = message.memoryBytes;
        break;
      case 'reported': {
        this.memoryBytes = message.memoryBytes ?? this.memoryBytes;
        const run = this.live.get(message.run);
        if (run) this.onEvent(run, message.event);
        break;
      }
      case 'failed': {
        const run = this.live.get(message.run);
        if (!run) break;
        const { model } = run.request;
        // A folder that could not be opened takes no place among the models held.
        if (message.error.code === 'modelUnavailable' && !life.loaded.has(model)) life.touched.delete(model);
        this.settle(run, fromErrorMessage(message.error));
        break;
      }
      case 'cancelled': {
        const run = this.live.get(message.run);
        if (run) this.settle(run);
        break;
      }
    }
    this.pump();
  }

  private onEvent(run: Run, event: RunEvent): void {
    if (event.type === 'staged') run.stage = event.stage;
    if (event.type === 'staged' || event.type === 'stepped') this.armDeadline(run);
    if (event.type === 'finished') {
      this.losses = 0;
      this.deaths.delete(run.request.model);
    }
    if (event.type === 'started') {
      if (run.started) return;
      run.started = true;
    }
    if (!run.abandoned) run.inbox.push(event);
    if (event.type === 'finished') this.settle(run);
  }

  /** Ends a run for its reader and frees its place. A run whose signal was aborted always ends in the signal's reason. */
  private settle(run: Run, error?: RuntimeError): void {
    clearTimeout(run.deadline);
    this.live.delete(run.id);
    const place = this.waiting.indexOf(run);
    if (place >= 0) this.waiting.splice(place, 1);
    if (run.signal.aborted) run.inbox.fail(run.signal.reason);
    else if (error) run.inbox.fail(error);
    else run.inbox.close();
    if (this.live.size === 0 && this.waiting.length === 0) this.idle?.();
  }

  private abandon(run: Run): void {
    if (run.abandoned || run.inbox.ended) return;
    run.abandoned = true;
    run.inbox.clear();
    // A running one keeps its place, and its reader waits, until the process says that it stopped: the graph of the
    // current step cannot be interrupted, and another run could not begin before it ends.
    if (!this.live.has(run.id)) this.settle(run);
    else if (this.life) this.send(this.life, { type: 'cancel', run: run.id });
    this.pump();
  }

  /** Gives waiting runs to the process, as far as it has room. */
  private pump(): void {
    const { life } = this;
    while (life?.ready && !life.dismissed && this.live.size < LIVE_RUNS) {
      const run = this.waiting[0];
      if (!run) return;
      const { model } = run.request;
      const reason = this.quarantined(model);
      if (reason !== undefined) {
        this.settle(run, new RuntimeError('modelUnavailable', reason));
        continue;
      }
      if (!life.touched.has(model) && life.touched.size >= this.maxModels) {
        if (this.live.size === 0) this.recycle(life);
        return;
      }
      this.waiting.shift();
      life.touched.add(model);
      this.live.set(run.id, run);
      run.attempts++;
      run.stage = 'loading';
      this.armDeadline(run);
      this.send(life, { type: 'generate', run: run.id, request: run.request });
    }
  }

  private recycle(life: Life): void {
    this.log('info', 'The runtime process is replaced to make room for another model.', { held: [...life.touched] });
    void dismiss(life);
  }

  private armDeadline(run: Run): void {
    clearTimeout(run.deadline);
    run.deadline = setTimeout(() => {
      run.timedOut = true;
      this.log('error', 'A stage outlived its deadline; the runtime process is killed.', {
        stage: run.stage,
        deadlineMs: this.deadlinesMs[run.stage],
        model: run.request.model,
      });
      this.life?.process.kill('SIGKILL');
    }, this.deadlinesMs[run.stage]);
  }

  /** The process has ended, whatever the reason. */
  private onGone(life: Life, code: number | null, signal: NodeJS.Signals | null): void {
    this.life = undefined;
    if (this.closed) return;
    if (!life.ready) this.onFailedStart(life, code, signal);
    else if (life.dismissed) this.start();
    else this.onLost(life, code, signal);
  }

  /** Settles or requeues the runs of a process that died, and starts the next one. */
  private onLost(life: Life, code: number | null, signal: NodeJS.Signals | null): void {
    this.restarts++;
    this.losses++;
    this.log('error', 'The runtime process was lost.', {
      pid: life.process.pid,
      code,
      signal,
      running: this.live.size,
    });
    for (const run of [...this.live.values()].reverse()) {
      clearTimeout(run.deadline);
      this.countDeath(run, code, signal);
      if (run.timedOut) {
        const limit = `${this.deadlinesMs[run.stage]} ms`;
        this.settle(run, new RuntimeError('stageTimeout', `The stage ${run.stage} took longer than ${limit}.`));
      } else if (run.abandoned) {
        this.settle(run);
      } else if (run.attempts > 1) {
        this.settle(run, new RuntimeError('runtimeLost', 'The runtime process was lost twice during this run.'));
      } else {
        this.live.delete(run.id);
        this.waiting.unshift(run);
      }
    }
    this.startLater();
  }

  private onFailedStart(life: Life, code: number | null, signal: NodeJS.Signals | null): void {
    this.failedStarts++;
    this.losses++;
    const reason = life.unready ?? `The runtime process ended while starting (${signal ?? `exit code ${code}`}).`;
    this.log('error', 'The runtime process could not start.', { reason, code, signal });
    const hopeless = life.unready !== undefined && this.provider === undefined;
    if (hopeless || this.failedStarts >= HOPELESS_STARTS) {
      this.firstReady.reject(new Error(reason));
      for (const run of [...this.waiting]) this.settle(run, new RuntimeError('runtimeLost', reason));
    }
    if (hopeless) this.unusable = new Error(reason);
    else {
      this.restarts++;
      this.startLater();
    }
  }

  private startLater(): void {
    const delay = RESTART_DELAYS_MS[Math.min(this.losses - 1, RESTART_DELAYS_MS.length - 1)] ?? 0;
    this.restarting = setTimeout(() => this.start(), delay);
  }

  /**
   * A model that dies while loading is at fault each time. Later stages may have failed for the size of one picture, so
   * there both attempts of one run count once. Deadlines outside of loading say the machine is slow, not the model broken.
   */
  private countDeath(run: Run, code: number | null, signal: NodeJS.Signals | null): void {
    const { model } = run.request;
    if (run.stage !== 'loading' && (run.timedOut || run.attempts > 1)) return;
    const deaths = (this.deaths.get(model) ?? 0) + 1;
    this.deaths.set(model, deaths);
    if (deaths < FATAL_DEATHS) return;
    const reason =
      `The runtime process died ${deaths} times in a row while running this model ` +
      `(${signal ?? `exit code ${code}`}); it is tried again when its folder changes.`;
    this.quarantine.set(model, { fingerprint: fingerprint(model), reason });
    this.log('error', 'A model that brings the runtime down is set aside until its folder changes.', { model });
  }

  private quarantined(model: string): string | undefined {
    const entry = this.quarantine.get(model);
    if (!entry) return undefined;
    if (entry.fingerprint === fingerprint(model)) return entry.reason;
    this.quarantine.delete(model);
    this.deaths.delete(model);
    return undefined;
  }

  private log(level: LogLevel, message: string, fields?: object): void {
    this.options.log(level, message, fields);
  }
}

/** `Promise.withResolvers`, which Node 20 lacks. */
function deferred(): { promise: Promise<void>; resolve: () => void; reject: (error: Error) => void } {
  let resolve = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

/** Asks an idle process to leave and waits until it has; closing its channel is the request. */
async function dismiss(life: Life): Promise<void> {
  life.dismissed = true;
  if (life.process.connected) life.process.disconnect();
  const timer = setTimeout(() => life.process.kill('SIGKILL'), EXIT_GRACE_MS);
  await life.gone;
  clearTimeout(timer);
}

/** Names, sizes and times of the files of a folder and of the folders in it; the same while nothing changed. */
function fingerprint(folder: string): string {
  const files: string[] = [];
  const visit = (path: string, depth: number) => {
    try {
      const stat = statSync(path);
      files.push(`${path} ${stat.size} ${stat.mtimeMs}`);
      if (stat.isDirectory() && depth < 2)
        for (const name of readdirSync(path).sort()) visit(join(path, name), depth + 1);
    } catch {
      files.push(`${path} missing`);
    }
  };
  visit(folder, 0);
  return files.join('\n');
}

/** The folder of this package. Sources and built files lie at different depths, so it is looked for. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const file = join(folder, 'package.json');
    if (existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).name === 'latentwire') return folder;
    const parent = dirname(folder);
    if (parent === folder) throw new Error('The package of the runtime was not found above its own files.');
    folder = parent;
  }
}
