import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { fromErrorMessage, RuntimeError } from '../errors.ts';
import type {
  Batch,
  Calibration,
  Calls,
  FromRuntime,
  GenerateRequest,
  LogLevel,
  RunEvent,
  Stage,
  ToRuntime,
} from '../messages.ts';
import { Failures } from './failures.ts';
import { Inbox } from './inbox.ts';
import { KeptBatches } from './keptBatches.ts';
import { filesOf, modelsOf, Scales, type Weight } from './needs.ts';
import { isSubset, Quarantine, type SetAside } from './quarantine.ts';

export interface RuntimeOptions {
  /** `auto`, or a provider by name: cpu, webgpu, cuda, coreml, dml. */
  provider: string;
  /** Takes a fixed sentence and structured fields; never prompts or images. */
  log: (level: LogLevel, message: string, fields?: object) => void;
  /**
   * Milliseconds a run may stay in a stage before the process is killed and the run fails with `stageTimeout`;
   * for `loading` each component and for `denoising` each step has that long. Defaults: loading 600 000, encoding 120 000, denoising 300 000, decoding
   * 300 000. A run's time counts while the process works on it, and while it works on nothing; not while it waits for its
   * turn.
   */
  deadlinesMs?: Partial<Record<Stage, number>>;
  /**
   * Runs under way in the process at a time; default 16. They take turns step by step and share calls where that pays;
   * each holds its latents and embeddings meanwhile, some megabytes. Further ones wait, the oldest first.
   */
  liveRuns?: number;
  /**
   * Rows (images, or guidance branches of images) that one call of a graph takes at most; default: found out while
   * working, for each graph and size. Another number than was found costs speed, on accelerators memory too, and lets
   * pictures depend on what else runs in their last bits.
   */
  rowsPerCall?: number;
  /**
   * Absolute path of a JSON file where found numbers of rows are kept for the next start; written anew when it is missing
   * or broken. Default: none, so that they are found out once in the life of this handle.
   */
  batchesFile?: string;
  /**
   * Models held by one process at a time; default 2. A run of one more model recycles the process as soon as nothing is
   * running, because the memory of released ONNX sessions does not come back. Runs of models that are held may go first,
   * but at most 8 of them and for at most 10 s.
   */
  maxModels?: number;
  /**
   * Bytes of resident memory that the process should stay within; default 0, which is no limit. A run whose models and
   * parts would pass it, going by the sizes of their files, recycles the process first if that holds anything else. One
   * that passes it all alone fails with `modelUnavailable` before anything is loaded. A process that is past it after a
   * run is recycled too, ever more rarely while that does not help.
   */
  memoryLimitBytes?: number;
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
  /** How it was lost, or could not start, the last time. */
  lastLoss?: Loss;
  /** Models, alone or with parts, that are not run until their files change, because they brought the process down; absent: none. */
  setAside?: SetAside[];
  /** Folders and files of the models that the process holds. */
  models: string[];
  /** Resident memory of the process when it last loaded a model or finished a run. */
  memoryBytes?: number;
  /** Present while weights are being loaded. */
  loading?: Loading;
  /** Rows that calls of each graph take, for the shapes where that was found out. */
  batches: Batch[];
  /** Calls of graphs so far, by graph and rows a call, those of earlier processes too; absent: none was told of. */
  calls?: Calls[];
}

export interface Loss {
  /** A signal, an exit code, or a sentence. */
  reason: string;
  at: Date;
}

/** How far a run has come with loading the weights that it needs and did not find loaded. */
export interface Loading {
  model: string;
  /** What is being loaded now. */
  component: string;
  doneBytes: number;
  ofBytes: number;
}

export interface Runtime extends AsyncDisposable {
  /** Settles when the process has started its provider; rejects when it cannot. */
  ready(): Promise<void>;
  /**
   * Draws one image. Runs may overlap: up to `RuntimeOptions.liveRuns` are under way and share the machine by
   * `GenerateRequest.share`, each giving the picture that it gives alone. Others wait, oldest first, but for those that
   * need no other process than the one that runs (`RuntimeOptions.maxModels`).
   *
   * Throws `RuntimeError` when the run fails. After `signal` is aborted it throws `signal.reason`: at once while waiting,
   * and before the next step while running. Leaving the iteration early cancels the run too. When the process dies, all
   * its runs start again from the beginning (same seed, same picture; no second `started`, and steps already told are told
   * again); those it was working on one at a time, and only once, then they fail with `runtimeLost`. A slow reader loses previews (the newest wins), never another event.
   */
  generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<RunEvent>;
  status(): RuntimeStatus;
  /** Ends the process; running and waiting runs have `graceMs` (default 0) to finish, then fail with `runtimeLost`. */
  close(graceMs?: number): Promise<void>;
}

const DEFAULT_LIVE_RUNS = 16;

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

/** Runs of held models that may go before one that takes another process, and for how long. */
const MOST_PASSES = 8;
const PASSING_MS = 10_000;

/**
 * How long a process is kept, after a run, for another run that it can do, while one waits that takes another process:
 * this share of what changing processes cost last time, at most so long. Two users who take turns with two models, each
 * sending the next task when the last one is done, would otherwise change processes for every task.
 */
const LINGER_SHARE = 0.1;
const MOST_LINGER_MS = 1_000;

/** Runs between two recyclings for memory, where recycling does not help, become never more than these. */
const MOST_PATIENCE = 1_024;

/** A recycling has helped when the process stays within the limit for so many times the runs it had to be kept for. */
const STEADY_RUNS = 8;

/**
 * Starts the runtime's process at once; `ready()` tells whether its provider came up.
 *
 * @param program - what the process runs; another one than the package's speaks the messages of messages.ts too
 */
export function startRuntime(options: RuntimeOptions, program = ownProgram()): Runtime {
  return new Supervisor(options, program);
}

/** One call of `generate`, from its request to its last event. */
interface Run {
  id: number;
  request: GenerateRequest;
  /** Every folder and file that the request needs. */
  files: readonly string[];
  /** What each of them weighs; absent until that is known, and where there is no limit. */
  weights?: ReadonlyMap<string, Weight>;
  signal: AbortSignal;
  inbox: Inbox;
  /** When it came to be the first that waits, and could not go on without another process; 0 before that. */
  heldUpAt: number;
  /** Runs that went before it since. */
  passes: number;
  /** Times the process died while it worked on this run. */
  deaths: number;
  /** Bytes that it may have loaded when it is past loading, as far as the process did not hold them. */
  promisedBytes: number;
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

/** That a process fails every call, as a run showed. */
interface Broken {
  run: Run;
  reason: string;
  /** Whether it may be the model's doing: the provider itself is gone, not only this model's calls fail. */
  blamesModel: boolean;
}

/** One life of the process. */
interface Life {
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
  /** Milliseconds from its start until it was ready. */
  startMs: number;
  /** It fails every call, and is killed for it. */
  broken?: Broken;
  /** It was asked to leave; its exit is no loss. */
  dismissed: boolean;
  gone: Promise<void>;
}

class Supervisor implements Runtime {
  private readonly options: RuntimeOptions;
  private readonly program: string;
  private readonly deadlinesMs: Record<Stage, number>;
  private readonly maxModels: number;
  private readonly memoryLimit: number;
  private readonly scales = new Scales();
  private readonly waiting: Run[] = [];
  private readonly live = new Map<number, Run>();
  private readonly liveRuns: number;
  /** Runs that the process said it works on; none: on nothing that it told of. */
  private working = new Set<number>();
  private readonly batches = new Map<string, Batch>();
  private readonly keptBatches: KeptBatches;
  private readonly calls = new Map<string, Calls>();
  /** The first call of so many rows, under way. */
  private trying: Calibration | undefined;
  private readonly quarantine = new Quarantine();
  private readonly failures = new Failures();
  /** How the process was lost last. */
  private lastLoss: Loss | undefined;
  private life: Life | undefined;
  private nextRun = 1;
  private restarts = 0;
  private losses = 0;
  private failedStarts = 0;
  private provider: { name: string; reason: string } | undefined;
  private memoryBytes: number | undefined;
  /** What a run is loading, and since when. */
  private loading: (Loading & { run: number; begunAt: number }) | undefined;
  /** Runs that a process finishes at least, before it is recycled for its memory. */
  private patience = 1;
  /** Milliseconds that the last start of a process took, with the loading for its first run. */
  private changeMs = 0;
  /** When the process last ended a run. */
  private lastEndAt = 0;
  private lingering: NodeJS.Timeout | undefined;
  private restarting: NodeJS.Timeout | undefined;
  private closed: Promise<void> | undefined;
  /** Set when the very first start told that the provider cannot run here: trying again would tell the same. */
  private unusable: Error | undefined;
  private readonly firstReady = deferred();
  private idle: (() => void) | undefined;

  constructor(options: RuntimeOptions, program: string) {
    this.options = options;
    this.program = program;
    this.deadlinesMs = { ...DEFAULT_DEADLINES_MS, ...options.deadlinesMs };
    this.liveRuns = Math.max(1, options.liveRuns ?? DEFAULT_LIVE_RUNS);
    this.maxModels = Math.max(1, options.maxModels ?? 2);
    this.memoryLimit = options.memoryLimitBytes ?? 0;
    this.keptBatches = new KeptBatches(options.batchesFile, options.log);
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
      files: filesOf(request),
      signal,
      inbox: new Inbox(),
      heldUpAt: 0,
      passes: 0,
      deaths: 0,
      promisedBytes: 0,
      started: false,
      stage: 'loading',
      abandoned: false,
      timedOut: false,
      deadline: undefined,
    };
    const abort = () => this.abandon(run);
    signal.addEventListener('abort', abort, { once: true });
    this.waiting.push(run);
    if (this.memoryLimit > 0) void this.weigh(run);
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
    const setAside = this.quarantine.list();
    return {
      state,
      ...(life?.process.pid !== undefined && { pid: life.process.pid }),
      ...(this.provider && { provider: this.provider.name, providerReason: this.provider.reason }),
      restarts: this.restarts,
      ...(this.lastLoss && { lastLoss: this.lastLoss }),
      ...(setAside.length > 0 && { setAside }),
      models: [...(life?.loaded ?? [])],
      ...(this.memoryBytes !== undefined && { memoryBytes: this.memoryBytes }),
      ...(this.loading && { loading: shownLoading(this.loading) }),
      batches: [...this.batches.values()],
      ...(this.calls.size > 0 && { calls: [...this.calls.values()] }),
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
    clearTimeout(this.lingering);
    this.firstReady.reject(new RuntimeError('runtimeLost', 'The runtime was closed before it was ready.'));
    const interrupted = this.live.size > 0;
    for (const run of [...this.live.values(), ...this.waiting]) {
      this.settle(run, new RuntimeError('runtimeLost', 'The runtime was closed before this run finished.'));
    }
    const { life } = this;
    if (life) {
      // A process inside a step would only notice the end of its channel afterwards.
      if (interrupted) life.process.kill('SIGKILL');
      await dismiss(life);
    }
    await this.keptBatches.written();
  }

  private start(): void {
    const child = fork(this.program, [], {
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
      touchedModels: new Set(),
      loaded: new Set(),
      finished: 0,
      startMs: 0,
      dismissed: false,
      gone: gone.promise,
    };
    this.life = life;
    this.memoryBytes = undefined;
    this.working = new Set();
    this.batches.clear();
    this.trying = undefined;
    const begun = performance.now();
    const deadline = setTimeout(() => child.kill('SIGKILL'), this.deadlinesMs.loading);
    child.on('message', (message: FromRuntime) => {
      if (message.type === 'ready' || message.type === 'unready') clearTimeout(deadline);
      if (message.type === 'ready') life.startMs = performance.now() - begun;
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
    const { provider, threads, rowsPerCall } = this.options;
    const calibrations = this.keptBatches.all();
    this.send(life, {
      type: 'start',
      provider,
      threads,
      rowsPerCall,
      memoryLimitBytes: this.memoryLimit,
      calibrations,
    });
  }

  private send(life: Life, message: ToRuntime): void {
    // The callback keeps a send into a closed channel from throwing; `close` follows and settles every run.
    if (life.process.connected) life.process.send(message, () => {});
  }

  private receive(life: Life, message: FromRuntime): void {
    if ('calls' in message) this.countCalls(message.calls ?? []);
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
      case 'working':
        this.workOn(message.runs);
        // Nothing has ended or changed that another run could wait for.
        return;
      case 'broken': {
        const run = this.live.get(message.run);
        if (run) this.replaceBroken(life, { run, reason: message.reason, blamesModel: true });
        return;
      }
      case 'trying':
        this.trying = message.calibration;
        return;
      case 'tried':
        this.trying = undefined;
        return;
      case 'calibrated':
        this.onCalibrated(message);
        return;
      case 'reported': {
        this.memoryBytes = message.memoryBytes ?? this.memoryBytes;
        const run = this.live.get(message.run);
        if (run) this.onEvent(life, run, message.event);
        break;
      }
      case 'failed': {
        const run = this.live.get(message.run);
        if (!run) break;
        if (message.error.code === 'inferenceError' && !run.abandoned) {
          // Of a process that is being replaced it says nothing about the run, which begins again in the next one.
          if (life.broken) return;
          if (this.failures.failed(run.id)) {
            this.replaceBroken(life, { run, reason: message.error.message, blamesModel: false });
            return;
          }
        }
        // What could not be opened takes no place among the models held.
        if (message.error.code === 'modelUnavailable') forget(life, run.files);
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

  private onEvent(life: Life, run: Run, event: RunEvent): void {
    if (event.type === 'staged') run.stage = event.stage;
    if (event.type === 'loading') {
      run.stage = 'loading';
      // Everything else stands still meanwhile.
      this.workOn([run.id]);
      this.onLoading(run, event);
    } else if (event.type === 'staged' ? event.stage !== 'loading' : !['started', 'previewed'].includes(event.type)) {
      this.endLoading(run, 'done');
    }
    if ((event.type === 'staged' || event.type === 'stepped') && this.isWorkedOn(run)) this.armDeadline(run);
    if (event.type === 'stepped' || event.type === 'finished') this.failures.worked(run.id, event.type === 'finished');
    if (event.type === 'finished') {
      this.losses = 0;
      this.quarantine.survived(run.files);
      if (++life.finished === 1) this.changeMs = life.startMs + event.timings.loadingMs;
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
    this.endLoading(run, 'broken off');
    if (this.live.delete(run.id)) this.lastEndAt = performance.now();
    if (this.working.delete(run.id) && this.working.size === 0) this.workOn([]);
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
    clearTimeout(this.lingering);
    if (!life?.ready || life.dismissed || this.recycledForMemory(life)) return;
    while (this.live.size < this.liveRuns) {
      const first = this.waiting[0];
      // What has not been weighed yet will be in a moment, and calls again.
      if (!first || !this.isWeighed(first)) return;
      // A run that the process died of, or beside one, runs alone: if it dies again, it is clear whose fault it is.
      if (this.live.size > 0 && [first, ...this.live.values()].some(({ deaths }) => deaths > 0)) return;
      // Looked at even if it will be passed: nobody makes room for what is refused.
      if (this.refused(first)) continue;
      if (this.fits(life, first)) {
        this.give(life, first);
        continue;
      }
      first.heldUpAt ||= performance.now();
      const heldUpMs = performance.now() - first.heldUpAt;
      const passing = first.passes < MOST_PASSES && heldUpMs < PASSING_MS;
      const other =
        passing && this.waiting.find((run) => run.deaths === 0 && this.isWeighed(run) && this.fits(life, run));
      if (other) {
        if (this.refused(other)) continue;
        first.passes++;
        this.give(life, other);
        continue;
      }
      if (this.live.size > 0) return;
      const lingerMs = Math.min(this.changeMs * LINGER_SHARE, MOST_LINGER_MS) - (performance.now() - this.lastEndAt);
      if (passing && life.finished > 0 && lingerMs > 0) {
        this.lingering = setTimeout(() => this.pump(), lingerMs);
      } else {
        this.log('info', 'The runtime process is replaced to make room for another model.', {
          held: [...life.touched],
          needed: first.files,
          memoryBytes: this.memoryBytes,
          passedBy: first.passes,
        });
        void dismiss(life);
      }
      return;
    }
  }

  private give(life: Life, run: Run): void {
    this.waiting.splice(this.waiting.indexOf(run), 1);
    run.promisedBytes = this.bytesOf(
      run,
      run.files.filter((file) => !life.touched.has(file)),
    );
    for (const file of run.files) life.touched.add(file);
    for (const model of modelsOf(run.request)) life.touchedModels.add(model);
    this.live.set(run.id, run);
    run.stage = 'loading';
    if (this.isWorkedOn(run)) this.armDeadline(run);
    this.send(life, { type: 'generate', run: run.id, request: run.request });
  }

  /** Whether a run can join what the process holds, as far as a fresh process would serve it better. */
  private fits(life: Life, run: Run): boolean {
    if (isSubset([...life.touched], run.files)) return true;
    const models = new Set([...life.touchedModels, ...modelsOf(run.request)]);
    if (models.size > life.touchedModels.size && models.size > this.maxModels) return false;
    if (this.memoryLimit === 0) return true;
    const more = this.bytesOf(
      run,
      run.files.filter((file) => !life.touched.has(file)),
    );
    let promised = 0;
    for (const { stage, promisedBytes } of this.live.values()) if (stage === 'loading') promised += promisedBytes;
    return more === 0 || (this.memoryBytes ?? 0) + promised + more <= this.memoryLimit;
  }

  /** Fails a run that must not be given to any process; true if it did. */
  private refused(run: Run): boolean {
    const reason = this.quarantine.reasonAgainst(run.files) ?? this.tooLarge(run);
    if (reason === undefined) return false;
    this.settle(run, new RuntimeError('modelUnavailable', reason));
    return true;
  }

  private tooLarge(run: Run): string | undefined {
    if (this.memoryLimit === 0) return undefined;
    const bytes = this.bytesOf(run, run.files);
    if (bytes <= this.memoryLimit) return undefined;
    const what = run.files.length > 1 ? 'This model and what the task adds to it need' : 'This model needs';
    return `${what} about ${sizeText(bytes)} of memory, but the memory limit is ${sizeText(this.memoryLimit)}.`;
  }

  private async weigh(run: Run): Promise<void> {
    const weights = await Promise.all(run.files.map(async (file) => [file, await this.scales.weigh(file)] as const));
    run.weights = new Map(weights);
    this.pump();
  }

  private isWeighed(run: Run): boolean {
    return this.memoryLimit === 0 || run.weights !== undefined;
  }

  /** What some of a run's files take once loaded. */
  private bytesOf(run: Run, files: readonly string[]): number {
    const kind = this.provider?.name === 'cpu' ? 'widened' : 'stored';
    return files.reduce((sum, file) => sum + (run.weights?.get(file)?.[kind] ?? 0), 0);
  }

  /**
   * Recycles a process that its runs left past the memory limit: what they leaked does not come back otherwise. Where a
   * fresh one is past it just as soon, the work itself needs that much, and the next recycling comes after twice as many
   * runs.
   */
  private recycledForMemory(life: Life): boolean {
    if (this.memoryLimit === 0 || this.memoryBytes === undefined || life.finished === 0) return false;
    if (this.memoryBytes <= this.memoryLimit) {
      if (life.finished >= this.patience * STEADY_RUNS) this.patience = 1;
      return false;
    }
    if (life.finished < this.patience) return false;
    // Nothing is added until those under way have ended.
    if (this.live.size > 0) return true;
    this.patience = Math.min(this.patience * 2, MOST_PATIENCE);
    this.log('warn', 'The runtime process is replaced because it passed the memory limit.', {
      memoryBytes: this.memoryBytes,
      limitBytes: this.memoryLimit,
      runs: life.finished,
      notAgainBeforeRuns: this.patience,
      held: [...life.touched],
    });
    void dismiss(life);
    return true;
  }

  private onLoading(run: Run, { component, doneBytes, ofBytes }: Extract<RunEvent, { type: 'loading' }>): void {
    const { model } = run.request;
    let begunAt = this.loading?.run === run.id ? this.loading.begunAt : undefined;
    if (begunAt === undefined) {
      begunAt = performance.now();
      this.log('info', 'Weights are being loaded.', { model, component, ofBytes });
    }
    this.loading = { model, component, doneBytes, ofBytes, run: run.id, begunAt };
  }

  private endLoading(run: Run, how: 'done' | 'broken off'): void {
    const { loading } = this;
    if (loading?.run !== run.id) return;
    this.loading = undefined;
    const { model, component, doneBytes, ofBytes, begunAt } = loading;
    const loadingMs = Math.round(performance.now() - begunAt);
    if (how === 'done') this.log('info', 'Weights were loaded.', { model, bytes: ofBytes, loadingMs });
    else this.log('info', 'Loading weights was broken off.', { model, component, doneBytes, ofBytes, loadingMs });
  }

  /** The process works on these runs until it says otherwise, or on nothing that it tells of. */
  private workOn(runs: readonly number[]): void {
    this.working = new Set(runs);
    for (const run of this.live.values()) {
      if (this.isWorkedOn(run)) this.armDeadline(run);
      else clearTimeout(run.deadline);
    }
  }

  /** As far as it told; when it told of none, it may be any of them. */
  private isWorkedOn(run: Run): boolean {
    return this.working.size === 0 || this.working.has(run.id);
  }

  private countCalls(news: readonly Calls[]): void {
    for (const { path, component, rows, calls, ms } of news) {
      const key = `${rows} ${component} ${path}`;
      const before = this.calls.get(key);
      this.calls.set(key, { path, component, rows, calls: calls + (before?.calls ?? 0), ms: ms + (before?.ms ?? 0) });
    }
  }

  private onCalibrated({ calibration, found }: Extract<FromRuntime, { type: 'calibrated' }>): void {
    const { graph, shape, rows } = calibration;
    this.batches.set(`${graph} ${shape}`, { graph, shape, rows });
    if (!found) return;
    this.keptBatches.keep(calibration);
    this.log('info', 'How many rows a call takes was found out.', { graph, shape, rows, ...found });
  }

  /** A first call of so many rows that the process did not survive is not made again: half as many were fine. */
  private endTrial(): void {
    if (!this.trying) return;
    const { graph, shape, rows } = this.trying;
    this.keptBatches.keep({ ...this.trying, rows: rows / 2 });
    this.log('warn', 'The first call of so many rows took the runtime process down; it is not tried again.', {
      graph,
      shape,
      rows,
    });
  }

  private armDeadline(run: Run): void {
    clearTimeout(run.deadline);
    run.deadline = setTimeout(() => {
      // Those that share the call took as long.
      for (const other of this.working.has(run.id) ? this.working : [run.id]) {
        const late = this.live.get(other);
        if (late) late.timedOut = true;
      }
      this.log('error', 'A stage outlived its deadline; the runtime process is killed.', {
        stage: run.stage,
        deadlineMs: this.deadlinesMs[run.stage],
        model: run.request.model,
      });
      this.life?.process.kill('SIGKILL');
    }, this.deadlinesMs[run.stage]);
  }

  /** The process is of no use any more: it is killed, and the run that showed it begins again like the others. */
  private replaceBroken(life: Life, broken: Broken): void {
    if (life.broken) return;
    life.broken = broken;
    this.log('error', 'The runtime process fails every call and is replaced.', {
      pid: life.process.pid,
      model: broken.run.request.model,
      reason: broken.reason,
    });
    life.process.kill('SIGKILL');
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
    const { broken } = life;
    const how = broken?.reason ?? signal ?? `exit code ${code}`;
    this.lastLoss = { reason: how, at: new Date() };
    this.log('error', 'The runtime process was lost.', {
      pid: life.process.pid,
      code,
      signal,
      running: this.live.size,
    });
    this.failures.replaced();
    if (!broken) this.endTrial();
    const blamed = broken ? [broken.run] : [...this.live.values()].filter((run) => this.isWorkedOn(run));
    for (const run of blamed) run.deaths++;
    if (broken?.blamesModel !== false) this.countDeaths(blamed, how);
    for (const run of [...this.live.values()].reverse()) {
      clearTimeout(run.deadline);
      this.endLoading(run, 'broken off');
      if (run.timedOut) {
        const limit = `${this.deadlinesMs[run.stage]} ms`;
        this.settle(run, new RuntimeError('stageTimeout', `The stage ${run.stage} took longer than ${limit}.`));
      } else if (run.abandoned) {
        this.settle(run);
      } else if (run.deaths > 1) {
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
    this.lastLoss = { reason, at: new Date() };
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
   * there both deaths of one run count once, and those of runs that shared a call too. Deadlines outside of loading say
   * the machine is slow, not the model broken.
   */
  private countDeaths(runs: readonly Run[], how: string): void {
    const counting = runs.filter(({ stage, timedOut, deaths }) => stage === 'loading' || !(timedOut || deaths > 1));
    for (const { files } of this.quarantine.died(counting, how)) {
      this.log('error', 'A model that brings the runtime down is set aside until its files change.', { files });
    }
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

/** Takes back that files may be held, where none was told to be. */
function forget(life: Life, files: readonly string[]): void {
  for (const file of files) {
    if (life.loaded.has(file)) continue;
    life.touched.delete(file);
    life.touchedModels.delete(file);
  }
}

function shownLoading({ model, component, doneBytes, ofBytes }: Loading): Loading {
  return { model, component, doneBytes, ofBytes };
}

function sizeText(bytes: number): string {
  return bytes < 1e9 ? `${Math.ceil(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}

/** The runtime's process as it was built; Node 20 cannot run the sources. */
function ownProgram(): string {
  return join(packageRoot(), 'dist/runtime/process/main.js');
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
