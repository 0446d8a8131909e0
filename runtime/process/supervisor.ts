import { setTimeout as sleep } from 'node:timers/promises';
import { fromErrorMessage, RuntimeError } from '../errors.ts';
import type { FromRuntime, GenerateRequest, LogLevel, RunEvent } from '../messages.ts';
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

/** Pauses before the process is started again, by losses in a row since the last finished run; the last one repeats. */
const RESTART_DELAYS_MS = [0, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000];

/** After so many starts in a row that came to nothing, runs fail instead of waiting for the next try. */
const HOPELESS_STARTS = 3;

/** What starting a process takes, until one was seen to start. */
const USUAL_START_MS = 500;

/** How long a process that has grown is idle before it is replaced; the next run of its models loads them again. */
const REST_MS = 10_000;

/** What a process of several shares with the others, and tells them. */
export interface Siblings {
  /** How the device is called among the others. */
  device: string;
  /** The same for all: they write one file. */
  batches: KeptBatches;
  /** Whether another process has set such a run aside. */
  asideElsewhere: (run: Deadly) => boolean;
  /** The process came up or was lost, so that runs that wait may be better off elsewhere. Called in the middle of it. */
  changed: () => void;
}

/** How a run would find a process. */
export interface Outlook {
  /**
   * `held`: its models are there or being loaded; `free`: they fit beside those that are; `full`: those would have to leave;
   * `aside`: it is not run there for a while; `small`: the device has not enough memory for it; `down`: the process does not
   * start.
   */
  place: 'held' | 'free' | 'full' | 'aside' | 'small' | 'down';
  /** Milliseconds until the process takes runs, as far as that is known; 0 when it does. */
  readyInMs: number;
  /** Whether the process said that it holds the run's models, and how many it holds in all. */
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
  /** How the process was lost last. */
  private lastLoss: Loss | undefined;
  private child: RuntimeProcess | undefined;
  private nextRun = 1;
  private restarts = 0;
  private losses = 0;
  private failedStarts = 0;
  private provider: { name: string; reason: string; precision: 'float32' | 'float16' } | undefined;
  /** Milliseconds that the last start of a process took. */
  private startMs = USUAL_START_MS;
  /** When the next process is started, after one was lost. */
  private restartAt = 0;
  private lingering: ReturnType<Clock['after']> | undefined;
  private restarting: ReturnType<Clock['after']> | undefined;
  /** Fires when the process has had nothing to do for a while. */
  private resting: ReturnType<Clock['after']> | undefined;
  private closed: Promise<void> | undefined;
  /** Set when the very first start told that the provider cannot run here: trying again would tell the same. */
  private unusable: Error | undefined;
  private readonly firstReady = deferred();
  private idle: (() => void) | undefined;

  /** Starts the process at once. @param siblings - absent where it is the only one */
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

  async *generate(request: GenerateRequest, signal: AbortSignal): AsyncGenerator<RunEvent, void, undefined> {
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

  /** Finds out what the files of a run weigh, for `outlook`. */
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
    // A process that is about to start holds nothing yet.
    if (!child || child.touchedModels.size === 0) return 'free';
    if (isSubset(models, [...child.touchedModels])) return 'held';
    return this.budget.fits(child, run, this.live.values()) ? 'free' : 'full';
  }

  /** Whether the run of this signal waits here and may as well wait elsewhere; not one that the process died of. */
  mayLeave(signal: AbortSignal): boolean {
    return this.waiting.some((run) => run.signal === signal && (run.deaths === 0 || this.failedStarts > 0));
  }

  /** Whether it is set aside here. */
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

  /** As it was asked for, or what `auto` found. */
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
      // A process inside a step would only notice the end of its channel afterwards.
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
          this.log('warn', 'The device memory limit has no effect on the CPU, where the memory limit counts.');
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
        // Nothing has ended or changed that another run could wait for.
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
        // Nor does another run wait for a step.
        if (message.event.type === 'stepped' || message.event.type === 'previewed') return;
        break;
      }
      case 'failed': {
        const run = this.live.get(message.run);
        if (!run) break;
        const { code } = message.error;
        if ((code === 'inferenceError' || code === 'outOfMemory') && !run.abandoned) {
          // Of a process that is being replaced it says nothing about the run, which begins again in the next one.
          if (child.broken) return;
          if (this.failures.failed(run.id)) {
            const reason = message.error.message;
            this.replaceBroken(child, { run, reason, blamesModel: false, deviceLost: false });
            return;
          }
        }
        // What could not be opened takes no place among the models held.
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
      // Everything else stands still meanwhile.
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

  /** Ends a run for its reader and frees its place. A run whose signal was aborted always ends in the signal's reason. */
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
    // A running one keeps its place, and its reader waits, until the process says that it stopped: the graph of the
    // current step cannot be interrupted, and another run could not begin before it ends.
    if (!this.live.has(run.id)) this.settle(run);
    else if (this.child) send(this.child, { type: 'cancel', run: run.id });
    this.pump();
  }

  /** Gives waiting runs to the process, as far as it has room. */
  private pump(): void {
    const { child } = this;
    this.lingering?.cancel();
    this.resting?.cancel();
    if (!child?.ready || child.dismissed || this.recycledForMemory(child)) return;
    this.restAfterGrowth(child);
    while (this.live.size < this.liveRuns) {
      const first = this.waiting[0];
      // What has not been weighed yet will be in a moment, and calls again.
      if (!first || !this.budget.isWeighed(first)) return;
      // A run that the process died of, or beside one, runs alone: if it dies again, it is clear whose fault it is.
      if (this.live.size > 0 && [first, ...this.live.values()].some(({ deaths }) => deaths > 0)) return;
      // Checked even if others will pass it: no room is made for a run that is refused.
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
        this.log('info', 'The runtime process is replaced to make room for another model.', {
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

  /** Fails a run that must not be given to any process; true if it did. */
  private refused(run: Run): boolean {
    const aside = this.quarantine.against(run);
    const error = aside ? asideError(run, aside) : this.budget.tooLarge(run);
    if (error === undefined) return false;
    if (leaveOutTinyDecoder(run)) return this.refused(run);
    this.settle(run, error);
    return true;
  }

  /** Replaces a process that grew by more than its usual work, once it has been idle for a while. */
  private restAfterGrowth(child: RuntimeProcess): void {
    if (this.live.size > 0 || this.waiting.length > 0) return;
    const used = this.budget.usedBytes;
    if (used === undefined || !this.growth.isUnusual(used)) return;
    this.resting = this.clock.after(REST_MS, () => {
      if (this.child !== child || child.dismissed || this.live.size > 0 || this.waiting.length > 0) return;
      this.log('info', 'The idle runtime process is replaced to give back the memory of large pictures.', {
        memoryBytes: used,
        settledBytes: this.growth.settledBytes,
        runs: child.finished,
      });
      void dismiss(child);
    });
  }

  /** Recycles a process that its runs left past the memory limit; until they have ended nothing is added to them. */
  private recycledForMemory(child: RuntimeProcess): boolean {
    if (!this.budget.isUsedUp(child)) return false;
    if (this.live.size > 0) return true;
    this.log('warn', 'The runtime process is replaced because it passed the memory limit.', {
      memoryBytes: this.budget.usedBytes,
      limitBytes: this.budget.limitBytes,
      runs: child.finished,
      notAgainBeforeRuns: this.budget.recycled(),
      held: [...child.touched],
    });
    void dismiss(child);
    return true;
  }

  /** The time of a run, and of those that share its call, is over. */
  private onLate(run: Run): void {
    const { stage, request } = run;
    this.log('error', 'A stage outlived its deadline; the runtime process is killed.', {
      stage,
      deadlineMs: this.deadlines.limitMs(stage, run),
      model: request.model,
    });
    this.child?.process.kill('SIGKILL');
  }

  /** The process is of no use any more: it is killed, and the run that showed it begins again like the others. */
  private replaceBroken(child: RuntimeProcess, broken: Broken): void {
    if (child.broken) return;
    child.broken = broken;
    const what = broken.deviceLost
      ? 'The device is lost; the runtime process is replaced.'
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

  /** Settles or requeues the runs of a process that died, and starts the next one. */
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
   * A model that dies while loading is at fault each time. Later stages may have failed for one picture, so there both
   * deaths of one run count once, and those of runs that shared a call too; and where it was a large picture they count
   * against its size. Deadlines outside of loading say the machine is slow, not the model broken.
   */
  private countDeaths(runs: readonly Run[], how: string): void {
    const counting = runs.filter(({ stage, timedOut, deaths }) => stage === 'loading' || !(timedOut || deaths > 1));
    const deadly = counting.map(({ files, stage, pixels }) => ({ files, pixels: stage === 'loading' ? 0 : pixels }));
    for (const { files, fromPixels, retryAfterMs } of this.quarantine.died(deadly, how)) {
      this.log(
        'error',
        fromPixels > 0
          ? 'Pictures of a size that brings the runtime down are refused for a while.'
          : 'A model that brings the runtime down is set aside for a while.',
        { files, fromPixels, retryAfterMs },
      );
    }
  }

  private log(level: LogLevel, message: string, fields?: object): void {
    this.options.log(level, message, fields);
  }
}
