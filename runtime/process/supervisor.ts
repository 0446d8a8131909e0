import { setTimeout as sleep } from 'node:timers/promises';
import { fromErrorMessage, RuntimeError } from '../errors.ts';
import type { FromRuntime, LogLevel, RunEvent, RunRequest } from '../messages.ts';
import { BatchFigures } from './batchFigures.ts';
import type { Clock } from './clock.ts';
import { Deadlines } from './deadlines.ts';
import { Failures } from './failures.ts';
import { Growth } from './growth.ts';
import { KeptBatches } from './keptBatches.ts';
import { LoadingLog } from './loadingLog.ts';
import { MemoryBudget } from './memoryBudget.ts';
import { modelsOf } from './needs.ts';
import { type Deadly, isSubset, Quarantine } from './quarantine.ts';
import { asideError, lostTwice } from './refusals.ts';
import { leaveOutTinyDecoder, newRun, type Run } from './run.ts';
import type { Loss, Runtime, RuntimeOptions, RuntimeStatus } from './runtime.ts';
import { type Broken, deferred, dismiss, forget, type RuntimeProcess, send, startProcess } from './runtimeProcess.ts';
import { Turns } from './turns.ts';

export const DEFAULT_LIVE_RUNS = 16;
export const DEFAULT_MAX_MODELS = 2;

/** Delays before a restart, by consecutive losses since the last finished run; the last delay repeats. */
const RESTART_DELAYS_MS = [0, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000];

/** After this number of consecutive failed starts, runs fail instead of waiting. */
const HOPELESS_STARTS = 3;

/** Assumed start time of a process before the first start. */
const USUAL_START_MS = 500;

/** Idle time before an enlarged process is replaced; the next run of its models loads them again. */
const REST_MS = 10_000;

/** Shared state of several processes. */
export interface Siblings {
  /** Name of the device among the others. */
  device: string;
  /** Shared, because they write one file. */
  batches: KeptBatches;
  /** Whether another process has blocked such a run. */
  asideElsewhere: (run: Deadly) => boolean;
  /** Called when the process started or was lost, so that waiting runs may move. Called synchronously. */
  changed: () => void;
}

/** The state of a process for a run. */
export interface Outlook {
  /**
   * `held`: its models are loaded or loading; `free`: they fit beside the others; `full`: they replace others; `aside`:
   * the run is blocked; `small`: the device has too little memory; `down`: the process does not start.
   */
  place: 'held' | 'free' | 'full' | 'aside' | 'small' | 'down';
  /** Expected milliseconds until the process takes runs; 0 if it does. */
  readyInMs: number;
  /** Whether the process reported the run's models as loaded, and the number of loaded models. */
  loaded: boolean;
  models: number;
}

export class Supervisor implements Runtime {
  private readonly options: RuntimeOptions & { provider: string };
  private readonly siblings: Siblings | undefined;
  private readonly program: string;
  private readonly deadlines: Deadlines;
  private readonly budget: MemoryBudget;
  private readonly waiting: Run[] = [];
  private readonly live = new Map<number, Run>();
  private readonly liveRuns: number;
  private readonly figures: BatchFigures;
  private readonly loading: LoadingLog;
  private readonly quarantine: Quarantine;
  private readonly turns: Turns;
  private readonly growth = new Growth();
  private readonly clock: Clock;
  private readonly failures = new Failures();
  /** Reason of the last loss. */
  private lastLoss: Loss | undefined;
  private child: RuntimeProcess | undefined;
  private nextRun = 1;
  private restarts = 0;
  private losses = 0;
  private failedStarts = 0;
  private provider: { name: string; reason: string; precision: 'float32' | 'float16' } | undefined;
  /** Duration of the last start in milliseconds. */
  private startMs = USUAL_START_MS;
  /** Time of the next start after a loss. */
  private restartAt = 0;
  private lingering: ReturnType<Clock['after']> | undefined;
  private restarting: ReturnType<Clock['after']> | undefined;
  /** Fires when the process has been idle for a while. */
  private resting: ReturnType<Clock['after']> | undefined;
  private closed: Promise<void> | undefined;
  /** Set if the first start showed that the provider cannot run here, so retries are useless. */
  private unusable: Error | undefined;
  private readonly firstReady = deferred();
  private idle: (() => void) | undefined;

  /** Starts the process at once. @param siblings - absent for a single process */
  constructor(options: RuntimeOptions & { provider: string }, program: string, clock: Clock, siblings?: Siblings) {
    this.options = options;
    this.siblings = siblings;
    this.program = program;
    this.clock = clock;
    this.quarantine = new Quarantine(clock, siblings?.asideElsewhere);
    this.deadlines = new Deadlines(options.deadlinesMs, this.live, (run) => this.onLate(run), clock);
    this.liveRuns = Math.max(1, options.liveRuns ?? DEFAULT_LIVE_RUNS);
    const limits = {
      maxModels: Math.max(1, options.maxModels ?? DEFAULT_MAX_MODELS),
      limitBytes: options.memoryLimitBytes ?? 0,
      deviceLimitBytes: options.deviceMemoryLimitBytes ?? 0,
    };
    this.budget = new MemoryBudget(limits, () => clock.now(), options.weights);
    this.turns = new Turns(this.budget, clock);
    const batches = siblings?.batches ?? new KeptBatches(options.batchesFile, options.log);
    this.figures = new BatchFigures(batches, options.log);
    this.loading = new LoadingLog(options.log);
    // A caller that never calls ready() learns of a failed start from generate().
    this.firstReady.promise.catch(() => {});
    this.start();
  }

  ready(): Promise<void> {
    return this.firstReady.promise;
  }

  async *generate(request: RunRequest, signal: AbortSignal): AsyncGenerator<RunEvent, void, undefined> {
    signal.throwIfAborted();
    if (this.unusable) throw new RuntimeError('runtimeLost', this.unusable.message);
    if (this.closed) throw new RuntimeError('runtimeLost', 'The runtime was closed.');
    const run = newRun(this.nextRun++, request, signal);
    const abort = () => this.abandon(run);
    signal.addEventListener('abort', abort, { once: true });
    this.waiting.push(run);
    if (!this.budget.remembers(run)) void this.budget.weigh(run).then(() => this.pump());
    this.pump();
    try {
      yield* run.inbox;
    } finally {
      signal.removeEventListener('abort', abort);
      this.abandon(run);
    }
  }

  /** Determines the file sizes of a run, for `outlook`. */
  async weigh(run: Run): Promise<void> {
    if (!this.budget.isWeighed(run) && !this.budget.remembers(run)) await this.budget.weigh(run);
  }

  outlook(run: Run): Outlook {
    const child = this.child?.dismissed ? undefined : this.child;
    const models = modelsOf(run.request);
    const held = child?.loaded ?? new Set();
    return {
      place: this.placeOf(run, models, child),
      readyInMs: child?.ready ? 0 : Math.max(0, this.restartAt - this.clock.now()) + this.startMs,
      loaded: models.every((model) => held.has(model)),
      models: held.size,
    };
  }

  private placeOf(run: Run, models: readonly string[], child: RuntimeProcess | undefined): Outlook['place'] {
    if (this.closed || this.unusable || this.failedStarts > 0) return 'down';
    if (this.isAside(run)) return 'aside';
    if (this.budget.tooLarge(run)) return 'small';
    // A process before its start holds nothing.
    if (!child || child.touchedModels.size === 0) return 'free';
    if (isSubset(models, [...child.touchedModels])) return 'held';
    return this.budget.fits(child, run, this.live.values()) ? 'free' : 'full';
  }

  /** Whether the run of this signal waits here and may move; not if the process died during it. */
  mayLeave(signal: AbortSignal): boolean {
    return this.waiting.some((run) => run.signal === signal && (run.deaths === 0 || this.failedStarts > 0));
  }

  /** Whether it is blocked here. */
  isAside(run: Deadly): boolean {
    return this.quarantine.against(run) !== undefined;
  }

  status(): RuntimeStatus {
    const { child } = this;
    const state =
      this.closed || this.unusable
        ? 'stopped'
        : child?.ready && !child.dismissed
          ? 'ready'
          : this.provider === undefined && this.restarts === 0
            ? 'starting'
            : 'restarting';
    const setAside = this.quarantine.list();
    const loading = this.loading.status();
    const calls = this.figures.calls();
    const deviceBytes = child && this.budget.deviceBytes(child);
    return {
      state,
      device: this.siblings?.device ?? this.deviceName(),
      ...(child?.process.pid !== undefined && { pid: child.process.pid }),
      ...(this.provider && {
        provider: this.provider.name,
        providerReason: this.provider.reason,
        precision: this.provider.precision,
      }),
      restarts: this.restarts,
      ...(this.lastLoss && { lastLoss: this.lastLoss }),
      ...(setAside.length > 0 && { setAside }),
      models: [...(child?.loaded ?? [])],
      ...(this.budget.usedBytes !== undefined && { memoryBytes: this.budget.usedBytes }),
      ...(deviceBytes !== undefined && {
        deviceMemory: { estimatedBytes: deviceBytes, limitBytes: this.budget.deviceLimitBytes },
      }),
      ...(loading && { loading }),
      batches: this.figures.batches(),
      ...(calls.length > 0 && { calls }),
    };
  }

  /** The requested device, or the one that `auto` chose. */
  private deviceName(): string {
    const { provider } = this.options;
    return provider === 'auto' ? (this.provider?.name ?? provider) : provider;
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
    this.restarting?.cancel();
    this.lingering?.cancel();
    this.resting?.cancel();
    this.firstReady.reject(new RuntimeError('runtimeLost', 'The runtime was closed before it was ready.'));
    const interrupted = this.live.size > 0;
    for (const run of [...this.live.values(), ...this.waiting]) {
      this.settle(run, new RuntimeError('runtimeLost', 'The runtime was closed before this run finished.'));
    }
    const { child } = this;
    if (child) {
      // A process within a step would notice the end of its channel only afterwards.
      if (interrupted) child.process.kill('SIGKILL');
      await dismiss(child);
    }
    await this.figures.written();
  }

  private start(): void {
    const child = startProcess(this.program, {
      said: (message) => {
        if (message.type === 'ready' || message.type === 'unready') clearTimeout(deadline);
        if (message.type === 'ready') {
          child.startMs = performance.now() - child.begunAt;
          this.startMs = child.startMs;
        }
        if (this.child === child) this.receive(child, message);
      },
      ended: (code, signal) => {
        clearTimeout(deadline);
        if (this.child === child) this.onGone(child, code, signal);
      },
      log: (message, fields) => this.log('warn', message, fields),
    });
    const deadline = setTimeout(() => child.process.kill('SIGKILL'), this.deadlines.limitMs('loading'));
    this.child = child;
    this.budget.begin();
    this.growth.begin();
    this.deadlines.reset();
    const { provider, precision, weights, packedFolder, threads, rowsPerCall } = this.options;
    const calibrations = this.figures.known();
    send(child, {
      type: 'start',
      provider,
      precision,
      weights,
      packedFolder,
      threads,
      rowsPerCall,
      memoryLimitBytes: this.budget.limitBytes,
      calibrations,
    });
  }

  private receive(child: RuntimeProcess, message: FromRuntime): void {
    if ('calls' in message) this.figures.count(message.calls ?? []);
    switch (message.type) {
      case 'ready':
        child.ready = true;
        this.failedStarts = 0;
        this.provider = { name: message.provider, reason: message.reason, precision: message.precision };
        this.budget.computesOn(message.provider, message.precision);
        this.firstReady.resolve();
        this.log('info', 'The runtime is ready.', {
          pid: child.process.pid,
          provider: message.provider,
          reason: message.reason,
          precision: message.precision,
          precisionReason: message.precisionReason,
        });
        if (message.provider === 'cpu' && this.budget.deviceLimitBytes > 0) {
          this.log('warn', 'The device memory limit has no effect on the CPU. The memory limit applies there.');
        }
        this.siblings?.changed();
        break;
      case 'unready':
        child.unready = message.message;
        break;
      case 'logged':
        this.log(message.level, message.message, message.fields);
        break;
      case 'loaded':
        child.loaded.add(message.model);
        this.growth.loaded(message.memoryBytes, this.budget.usedBytes);
        this.budget.usedBytes = message.memoryBytes;
        break;
      case 'working':
        this.deadlines.workOn(message.runs);
        // Nothing changed for waiting runs.
        return;
      case 'broken': {
        const run = this.live.get(message.run);
        if (run)
          this.replaceBroken(child, { run, reason: message.reason, blamesModel: true, deviceLost: message.deviceLost });
        return;
      }
      case 'trying':
        this.figures.tries(message.calibration);
        return;
      case 'tried':
        this.figures.tries(undefined);
        return;
      case 'calibrated':
        this.figures.calibrated(message);
        return;
      case 'reported': {
        this.budget.usedBytes = message.memoryBytes ?? this.budget.usedBytes;
        const run = this.live.get(message.run);
        if (run) this.onEvent(child, run, message.event);
        // No other run waits for a step.
        if (message.event.type === 'stepped' || message.event.type === 'previewed') return;
        break;
      }
      case 'failed': {
        const run = this.live.get(message.run);
        if (!run) break;
        const { code } = message.error;
        if ((code === 'inferenceError' || code === 'outOfMemory') && !run.abandoned) {
          // An error of a process that is being replaced says nothing about the run, which restarts in the next one.
          if (child.broken) return;
          if (this.failures.failed(run.id)) {
            const reason = message.error.message;
            this.replaceBroken(child, { run, reason, blamesModel: false, deviceLost: false });
            return;
          }
        }
        // Failed models do not count as loaded.
        if (code === 'modelUnavailable' || code === 'outOfMemory') forget(child, run.files);
        this.settle(run, fromErrorMessage(message.error));
        break;
      }
      case 'cancelled': {
        const run = this.live.get(message.run);
        if (run) this.settle(run, undefined, message.last);
        break;
      }
    }
    this.pump();
  }

  private onEvent(child: RuntimeProcess, run: Run, event: RunEvent): void {
    if (event.type === 'staged') run.stage = event.stage;
    if (event.type === 'loading') {
      run.stage = 'loading';
      // Everything else is blocked meanwhile.
      this.deadlines.workOn([run.id]);
      this.loading.on(run, event);
    } else if (event.type === 'staged' ? event.stage !== 'loading' : event.type !== 'started') {
      this.loading.end(run, 'done');
    }
    const isStep = event.type === 'stepped' || event.type === 'previewed';
    if (event.type === 'staged' || isStep) this.deadlines.heardOf(run);
    if (isStep || event.type === 'finished') this.failures.worked(run.id, event.type === 'finished');
    if (event.type === 'finished') {
      this.losses = 0;
      this.quarantine.survived(run);
      this.growth.finished(run.pixels, this.budget.pixelBytes(run));
      if (++child.finished === 1) this.turns.changeMs = child.startMs + event.timings.loadingMs;
    }
    if (event.type === 'started') {
      if (run.started) return;
      run.started = true;
    }
    if (!run.abandoned) run.inbox.push(event);
    if (event.type === 'finished') this.settle(run);
  }

  /**
   * Ends a run for its reader and frees its place. A run with an aborted signal always ends with the signal's reason.
   */
  private settle(run: Run, error?: RuntimeError, last?: RunEvent): void {
    this.loading.end(run, 'broken off');
    if (this.live.delete(run.id)) this.turns.lastEndAt = this.clock.now();
    this.deadlines.end(run);
    const place = this.waiting.indexOf(run);
    if (place >= 0) this.waiting.splice(place, 1);
    if (run.signal.aborted) run.inbox.fail(run.signal.reason, last);
    else if (error) run.inbox.fail(error);
    else run.inbox.close();
    if (this.live.size === 0 && this.waiting.length === 0) this.idle?.();
  }

  private abandon(run: Run): void {
    if (run.abandoned || run.inbox.ended) return;
    run.abandoned = true;
    run.inbox.clear();
    // A running run keeps its place until the process reports its end: the current graph call cannot be interrupted,
    // and another run could not start before.
    if (!this.live.has(run.id)) this.settle(run);
    else if (this.child) send(this.child, { type: 'cancel', run: run.id });
    this.pump();
  }

  /** Passes waiting runs to the process while it has places. */
  private pump(): void {
    const { child } = this;
    this.lingering?.cancel();
    this.resting?.cancel();
    if (!child?.ready || child.dismissed || this.recycledForMemory(child)) return;
    this.restAfterGrowth(child);
    while (this.live.size < this.liveRuns) {
      const first = this.waiting[0];
      // Its file sizes will be known in a moment, and this is called again.
      if (!first || !this.budget.isWeighed(first)) return;
      // A run during which the process died restarts alone: if the process dies again, the cause is clear.
      if (this.live.size > 0 && [first, ...this.live.values()].some(({ deaths }) => deaths > 0)) return;
      // Checked even if others overtake it: no model is unloaded for a refused run.
      if (this.refused(first)) continue;
      const turn = this.turns.next(child, [first, ...this.waiting.slice(1)], this.live);
      if (turn.does === 'give') {
        if (turn.run !== first) {
          if (this.refused(turn.run)) continue;
          first.passes++;
        }
        this.give(child, turn.run);
        continue;
      }
      if (turn.does === 'linger') this.lingering = this.clock.after(turn.ms, () => this.pump());
      if (turn.does === 'replace') {
        this.log('info', 'The runtime process is replaced to load another model.', {
          held: [...child.touched],
          needed: first.files,
          memoryBytes: this.budget.usedBytes,
          passedBy: first.passes,
        });
        void dismiss(child);
      }
      return;
    }
  }

  private give(child: RuntimeProcess, run: Run): void {
    this.waiting.splice(this.waiting.indexOf(run), 1);
    this.budget.take(child, run);
    this.live.set(run.id, run);
    run.stage = 'loading';
    this.deadlines.heardOf(run);
    const workingBytes = this.budget.workingBytes(run);
    send(child, { type: 'generate', run: run.id, request: run.request, workingBytes });
  }

  /** Fails a run that no process may run; true if it did. */
  private refused(run: Run): boolean {
    const aside = this.quarantine.against(run);
    const error = aside ? asideError(run, aside) : this.budget.tooLarge(run);
    if (error === undefined) return false;
    if (leaveOutTinyDecoder(run)) return this.refused(run);
    this.settle(run, error);
    return true;
  }

  /** Replaces an enlarged process once it has been idle for a while. */
  private restAfterGrowth(child: RuntimeProcess): void {
    if (this.live.size > 0 || this.waiting.length > 0) return;
    const used = this.budget.usedBytes;
    if (used === undefined || !this.growth.isUnusual(used)) return;
    this.resting = this.clock.after(REST_MS, () => {
      if (this.child !== child || child.dismissed || this.live.size > 0 || this.waiting.length > 0) return;
      this.log('info', 'The idle runtime process is replaced to free the memory of large pictures.', {
        memoryBytes: used,
        settledBytes: this.growth.settledBytes,
        runs: child.finished,
      });
      void dismiss(child);
    });
  }

  /** Restarts a process that exceeds the memory limit after its runs; it gets no new runs before that. */
  private recycledForMemory(child: RuntimeProcess): boolean {
    if (!this.budget.isUsedUp(child)) return false;
    if (this.live.size > 0) return true;
    this.log('warn', 'The runtime process is replaced because it exceeded the memory limit.', {
      memoryBytes: this.budget.usedBytes,
      limitBytes: this.budget.limitBytes,
      runs: child.finished,
      notAgainBeforeRuns: this.budget.recycled(),
      held: [...child.touched],
    });
    void dismiss(child);
    return true;
  }

  /** The deadline of a run, and of the runs of the same call, has passed. */
  private onLate(run: Run): void {
    const { stage, request } = run;
    this.log('error', 'A stage exceeded its deadline. The runtime process is killed.', {
      stage,
      deadlineMs: this.deadlines.limitMs(stage, run),
      model: request.model,
    });
    this.child?.process.kill('SIGKILL');
  }

  /** The process is unusable: it is killed, and all its runs restart. */
  private replaceBroken(child: RuntimeProcess, broken: Broken): void {
    if (child.broken) return;
    child.broken = broken;
    const what = broken.deviceLost
      ? 'The device is lost. The runtime process is replaced.'
      : 'The runtime process fails every call and is replaced.';
    this.log('error', what, {
      pid: child.process.pid,
      model: broken.run.request.model,
      reason: broken.reason,
    });
    child.process.kill('SIGKILL');
  }

  /** The process has ended, whatever the reason. */
  private onGone(child: RuntimeProcess, code: number | null, signal: NodeJS.Signals | null): void {
    this.child = undefined;
    if (this.closed) return;
    if (!child.ready) this.onFailedStart(child, code, signal);
    else if (child.dismissed) this.start();
    else this.onLost(child, code, signal);
  }

  /** Settles or requeues the runs of a dead process, and starts the next one. */
  private onLost(child: RuntimeProcess, code: number | null, signal: NodeJS.Signals | null): void {
    this.restarts++;
    this.losses++;
    const { broken } = child;
    const how = broken?.reason ?? signal ?? `exit code ${code}`;
    this.lastLoss = { reason: how, at: new Date() };
    this.log('error', 'The runtime process was lost.', {
      pid: child.process.pid,
      code,
      signal,
      running: this.live.size,
    });
    this.failures.replaced();
    if (!broken) this.figures.lost();
    const blamed = broken ? [broken.run] : [...this.live.values()].filter((run) => this.deadlines.isWorkedOn(run));
    for (const run of blamed) run.deaths++;
    if (broken?.blamesModel !== false) this.countDeaths(blamed, how);
    for (const run of [...this.live.values()].reverse()) {
      run.deadline?.cancel();
      this.loading.end(run, 'broken off');
      if (run.timedOut) {
        const limit = `${this.deadlines.limitMs(run.stage, run)} ms`;
        this.settle(run, new RuntimeError('stageTimeout', `The stage ${run.stage} took longer than ${limit}.`));
      } else if (run.abandoned) {
        this.settle(run);
      } else if (run.deaths > 1) {
        this.settle(run, lostTwice(run, broken));
      } else {
        this.live.delete(run.id);
        if (run.deaths > 0) leaveOutTinyDecoder(run);
        this.waiting.unshift(run);
      }
    }
    this.startLater();
  }

  private onFailedStart(child: RuntimeProcess, code: number | null, signal: NodeJS.Signals | null): void {
    this.failedStarts++;
    this.losses++;
    const reason = child.unready ?? `The runtime process ended while starting (${signal ?? `exit code ${code}`}).`;
    this.lastLoss = { reason, at: new Date() };
    this.log('error', 'The runtime process could not start.', { reason, code, signal });
    const hopeless = child.unready !== undefined && this.provider === undefined;
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
    this.restartAt = this.clock.now() + delay;
    this.restarting = this.clock.after(delay, () => this.start());
    this.siblings?.changed();
  }

  /**
   * Counts the deaths of a process. During loading the model is always at fault. Later stages may have failed because
   * of one picture, so both deaths of one run count once, and so do those of runs of the same call; during a large
   * picture they count against its size. Exceeded deadlines outside of loading mean a slow machine, not a broken model.
   */
  private countDeaths(runs: readonly Run[], how: string): void {
    // A run without files has no model that could be blocked.
    const counting = runs.filter(
      ({ stage, timedOut, deaths, files }) => files.length > 0 && (stage === 'loading' || !(timedOut || deaths > 1)),
    );
    const deadly = counting.map(({ files, stage, pixels }) => ({ files, pixels: stage === 'loading' ? 0 : pixels }));
    for (const { files, fromPixels, retryAfterMs } of this.quarantine.died(deadly, how)) {
      this.log(
        'error',
        fromPixels > 0
          ? 'The runtime process died while drawing large pictures. Such sizes are blocked for a while.'
          : 'The runtime process died while running a model. The model is blocked for a while.',
        { files, fromPixels, retryAfterMs },
      );
    }
  }

  private log(level: LogLevel, message: string, fields?: object): void {
    this.options.log(level, message, fields);
  }
}
