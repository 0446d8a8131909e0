import { availableParallelism } from 'node:os';
import { checkDevices, deviceText, parseDevice } from '../devices.ts';
import { RuntimeError } from '../errors.ts';
import type { Calls, RunEvent, RunRequest } from '../messages.ts';
import { type Clock, machineClock } from './clock.ts';
import { KeptBatches } from './keptBatches.ts';
import { modelsOf } from './needs.ts';
import { newRun, type Run } from './run.ts';
import type { Runtime, RuntimeOptions, RuntimeStatus } from './runtime.ts';
import { ownProgram } from './runtimeProcess.ts';
import { DEFAULT_LIVE_RUNS, DEFAULT_MAX_MODELS, type Outlook, Supervisor } from './supervisor.ts';

/** Assumed milliseconds per pixel and step before the first picture of a device: 5 s for 20 steps of 512². */
const USUAL_PACE_MS = 1e-3;

/** Weight of a new measurement in a moving average. */
const NEWEST = 0.3;

/** Assumed load time of a model: a constant, and bytes per millisecond of a usual disk. */
const USUAL_LOADING_MS = 1_000;
const USUAL_BYTES_PER_MS = 500_000;

/** A waiting run moves to another device if its estimated end there is within this fraction. */
const WORTH_MOVING = 0.8;

/** A model that failed on this many devices is not tried on others. */
const DEVICES_OF_PROOF = 2;

/** Abort reason of a run that moves to another device. */
const MOVED = new Error('The run moves to another device.');

/** One device and its runs, oldest first. */
interface Device {
  name: string;
  process: Supervisor;
  routes: Set<Route>;
  /** Milliseconds per pixel and step, by model. */
  paces: Map<string, number>;
  /** Models being loaded, and their start times. */
  loadingSince: Map<string, number>;
  /** Time up to which the work of running runs is accounted for. */
  settledAt: number;
  usedAt: number;
}

/** A run and its device. */
interface Route {
  run: Run;
  /** Key of its share; runs without one have separate shares. */
  key: string | symbol;
  weight: number;
  device: Device;
  /** Removes it from the device. */
  leave: AbortController;
  /** `started` was sent to the reader. */
  told: boolean;
  /** It is running on the device. */
  drawing: boolean;
  /** Its model was not loaded on the device when it arrived. */
  cold: boolean;
  /** Fraction of finished steps. */
  done: number;
  /** Device time that it has had, in milliseconds. */
  workMs: number;
  /** Devices that were lost during the run or had too little memory for it. */
  failedOn: Set<Device>;
}

/**
 * Starts a process for each device at once; `ready()` tells whether all providers started.
 *
 * @param program - program of a process; another program must use the messages of messages.ts
 * @param clock - for timing and timeouts; default: the system clock
 * @throws ProviderError if one of several devices does not exist, or a GPU is named twice
 */
export function startRuntime(
  options: RuntimeOptions,
  program: string = ownProgram(),
  clock: Clock = machineClock,
): Runtime {
  const texts = [options.provider].flat();
  if (texts.length === 1) return new Supervisor({ ...options, provider: texts[0]! }, program, clock);
  checkDevices(texts);
  return new Pool(options, texts, program, clock);
}

/**
 * Several devices behind one `Runtime`, with a process each. A run goes to the device that holds its models and is
 * expected to finish it first. An idle device loads a model of another device if the run ends earlier there despite the
 * load, or once runs of that model have waited for other runs as long as the load takes, summed; twice as long if the
 * device must unload its own models. So a load never costs more than it saves, and models stay in place under low load.
 * A waiting run moves if another device would finish it earlier; a running one stays.
 */
class Pool implements Runtime {
  private readonly clock: Clock;
  private readonly liveRuns: number;
  private readonly maxModels: number;
  private readonly devices: Device[];
  private readonly batches: KeptBatches;
  /** Last load time of a model, in milliseconds. */
  private readonly loadingMs = new Map<string, number>();
  /** Time that runs of a model have waited for others while a device without it was idle, in milliseconds. */
  private readonly waitedMs = new Map<string, number>();
  /** Runs reach their devices in order, whatever time the check of their files takes. */
  private weighing: Promise<void> = Promise.resolve();
  private looking = false;
  private closed: Promise<void> | undefined;

  constructor(options: RuntimeOptions, texts: readonly string[], program: string, clock: Clock) {
    this.clock = clock;
    this.liveRuns = Math.max(1, options.liveRuns ?? DEFAULT_LIVE_RUNS);
    this.maxModels = Math.max(1, options.maxModels ?? DEFAULT_MAX_MODELS);
    this.batches = new KeptBatches(options.batchesFile, options.log);
    const onCpu = texts.filter((text) => parseDevice(text).name === 'cpu').length;
    const partOfCores = Math.max(1, Math.floor(availableParallelism() / onCpu));
    this.devices = namesOf(texts).map((name, index) => {
      const device = parseDevice(texts[index]!);
      const own = {
        ...options,
        provider: deviceText(device),
        log: (level, message, fields) => options.log(level, message, { device: name, ...fields }),
        memoryLimitBytes: Math.floor((options.memoryLimitBytes ?? 0) / texts.length),
        ...(device.name === 'cpu' && onCpu > 1 && { threads: options.threads ?? partOfCores }),
      } satisfies RuntimeOptions;
      const process = new Supervisor(own, program, clock, {
        device: name,
        batches: this.batches,
        asideElsewhere: (run) => this.devices.some((other) => other.process !== process && other.process.isAside(run)),
        changed: () => this.lookAgain(),
      });
      return {
        ...{ name, process, routes: new Set<Route>(), paces: new Map(), loadingSince: new Map() },
        ...{ settledAt: clock.now(), usedAt: 0 },
      };
    });
  }

  async ready(): Promise<void> {
    await Promise.all(this.devices.map(({ process }) => process.ready()));
  }

  async *generate(request: RunRequest, signal: AbortSignal): AsyncGenerator<RunEvent, void, undefined> {
    signal.throwIfAborted();
    if (this.closed) throw new RuntimeError('runtimeLost', 'The runtime was closed.');
    const run = newRun(0, request, signal);
    const weighed = this.weighing.then(() => this.devices[0]!.process.weigh(run));
    this.weighing = weighed;
    await weighed;
    signal.throwIfAborted();
    const { share } = request;
    const route: Route = {
      ...{ run, key: share?.key ?? Symbol(), weight: share?.weight ?? 1 },
      ...{ device: this.devices[0]!, leave: new AbortController() },
      ...{ told: false, drawing: false, cold: false, done: 0, workMs: 0, failedOn: new Set() },
    };
    this.place(route, this.choose(route, true));
    // Belongs to the current attempt.
    const abort = () => route.leave.abort(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      for (;;) {
        const { device, leave } = route;
        try {
          for await (const event of device.process.generate(request, leave.signal)) {
            if (this.hears(route, event)) yield event;
          }
          return;
        } catch (error) {
          if (leave.signal.reason === MOVED) continue;
          const next = this.next(route, error);
          if (!next) throw error;
          this.remove(route);
          this.place(route, next);
        }
      }
    } finally {
      signal.removeEventListener('abort', abort);
      this.remove(route);
      this.lookAgain();
    }
  }

  status(): RuntimeStatus {
    const devices = this.devices.map(({ name, process, routes }) => ({
      ...process.status(),
      device: name,
      runs: routes.size,
    }));
    const states = devices.map(({ state }) => state);
    const state =
      (['ready', 'starting', 'restarting'] as const).find((each) => !this.closed && states.includes(each)) ?? 'stopped';
    const distinct = <Text extends string>(values: readonly (Text | undefined)[]) => [
      ...new Set(values.filter((value) => value !== undefined)),
    ];
    const memory = devices.flatMap(({ memoryBytes }) => memoryBytes ?? []);
    const losses = devices.flatMap(({ lastLoss }) => lastLoss ?? []).sort((a, b) => +b.at - +a.at);
    const loading = devices.find((each) => each.loading)?.loading;
    const calls = sumOf(devices.flatMap((each) => each.calls ?? []));
    const everywhere = asideEverywhere(devices);
    const batches = new Map(
      devices.flatMap((each) => each.batches).map((batch) => [`${batch.graph} ${batch.shape}`, batch]),
    );
    const precisions = distinct(devices.map(({ precision }) => precision));
    const providers = distinct(devices.map(({ provider }) => provider));
    return {
      state,
      devices,
      ...(providers.length > 0 && {
        provider: providers.join(', '),
        providerReason: distinct(devices.map(({ providerReason }) => providerReason)).join(' '),
      }),
      ...(precisions.length === 1 && { precision: precisions[0]! }),
      restarts: devices.reduce((sum, { restarts }) => sum + restarts, 0),
      ...(losses[0] && { lastLoss: losses[0] }),
      ...(everywhere.length > 0 && { setAside: everywhere }),
      models: [...new Set(devices.flatMap(({ models }) => models))],
      ...(memory.length > 0 && { memoryBytes: memory.reduce((sum, bytes) => sum + bytes, 0) }),
      ...(loading && { loading }),
      batches: [...batches.values()],
      ...(calls.length > 0 && { calls }),
    };
  }

  close(graceMs = 0): Promise<void> {
    this.closed ??= Promise.all(this.devices.map(({ process }) => process.close(graceMs))).then(() => {});
    return this.closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Chooses the device of a run. @param counts - whether its wait counts towards another load of its model */
  private choose(route: Route, counts: boolean): Device {
    const views = this.devices.map((device) => this.viewOf(device, route));
    const aside = views.filter(({ place }) => place === 'aside');
    const usable = views.filter(isUsable);
    // That device reports why it refuses the run.
    const refusing = aside[0] ?? views.find(({ place }) => place === 'small');
    if (aside.length >= DEVICES_OF_PROOF || usable.length === 0) return (refusing ?? soonest(views)).device;
    const holding = usable.filter(({ place }) => place === 'held');
    const idle = usable.filter(({ device, place }) => place !== 'held' && isFree(device, route));
    if (holding.length === 0) {
      const roomy = usable.filter(({ place }) => place === 'free');
      return soonest([roomy, idle, usable].find(({ length }) => length > 0)!).device;
    }
    const best = soonest(holding);
    if (idle.length === 0) return best.device;
    const { model } = route.run.request;
    const waitedMs = (this.waitedMs.get(model) ?? 0) + (counts ? best.waitMs : 0);
    this.waitedMs.set(model, waitedMs);
    const spare = soonest(
      idle.some(({ place }) => place === 'free') ? idle.filter((each) => each.place === 'free') : idle,
    );
    const loadingMs = this.loadingMsOf(route.run);
    const moreMs = spare.place === 'free' ? 0 : loadingMs;
    const isWorthIt = best.waitMs > 0 && waitedMs >= loadingMs + moreMs;
    const endsFirst = spare.endMs + moreMs < best.endMs * WORTH_MOVING;
    return isWorthIt || endsFirst ? spare.device : best.device;
  }

  /** The state of a device for a run. */
  private viewOf(device: Device, route: Route): View {
    const { process, routes } = device;
    const { run } = route;
    const models = modelsOf(run.request);
    const outlook = process.outlook(run);
    let { place } = outlook;
    if (place === 'free' || place === 'full') {
      // The process does not know the models of waiting runs yet.
      const others = [...routes].filter((other) => other !== route).map((other) => modelsOf(other.run.request));
      if (others.some((other) => isSame(other, models))) place = 'held';
      else if (new Set([...others.flat(), ...models]).size > this.maxModels) place = 'full';
    }
    const waitMs = this.waitMs(device, route);
    const loadingMs = outlook.loaded ? 0 : this.loadingLeftMs(device, run);
    const endMs = outlook.readyInMs + loadingMs + waitMs + this.leftMs(device, route);
    return { device, place, waitMs, endMs, models: outlook.models };
  }

  /**
   * Expected wait of a run for other runs on a device. Shares have equal parts of it for equal weights, so runs of
   * another share count only as far as they run while this share's runs do. If all places are taken, the run also waits
   * for a place.
   */
  private waitMs(device: Device, route: Route): number {
    const others = new Map<string | symbol, { ms: number; weight: number }>();
    let mine = 0;
    let places = this.liveRuns;
    for (const other of device.routes) {
      if (other === route) continue;
      places--;
      const ms = this.leftMs(device, other);
      if (other.key === route.key) mine += ms;
      else others.set(other.key, { ms: ms + (others.get(other.key)?.ms ?? 0), weight: other.weight });
    }
    const untilEnd = mine + this.leftMs(device, route);
    let wait = mine;
    for (const { ms, weight } of others.values()) {
      wait += places > 0 ? Math.min(ms, (untilEnd * weight) / route.weight) : ms;
    }
    return wait;
  }

  /** Remaining device time of a run. */
  private leftMs(device: Device, { run, done }: Route): number {
    return run.pixels * stepsOf(run.request) * (1 - done) * this.paceOf(device, run.request.model);
  }

  /** Measured there, else on other devices, else of other models. */
  private paceOf(device: Device, model: string): number {
    const others = this.devices.flatMap(({ paces }) => paces.get(model) ?? []);
    return device.paces.get(model) ?? others[0] ?? [...device.paces.values()][0] ?? USUAL_PACE_MS;
  }

  private loadingMsOf({ request, weights }: Run): number {
    let sum = 0;
    for (const model of modelsOf(request)) {
      const bytes = weights?.get(model)?.stored ?? 0;
      sum += this.loadingMs.get(model) ?? USUAL_LOADING_MS + bytes / USUAL_BYTES_PER_MS;
    }
    return sum;
  }

  /** Remaining time to load the missing models of a run. */
  private loadingLeftMs(device: Device, run: Run): number {
    const since = device.loadingSince.get(run.request.model);
    const passed = since === undefined ? 0 : this.clock.now() - since;
    return Math.max(0, this.loadingMsOf(run) - passed);
  }

  private place(route: Route, device: Device): void {
    const { model } = route.run.request;
    route.device = device;
    route.leave = new AbortController();
    if (route.run.signal.aborted) route.leave.abort(route.run.signal.reason);
    route.done = 0;
    route.workMs = 0;
    route.cold = !device.process.outlook(route.run).loaded;
    if (route.cold && !device.loadingSince.has(model)) {
      device.loadingSince.set(model, this.clock.now());
      // This is the load that they waited for.
      this.waitedMs.delete(model);
    }
    device.routes.add(route);
    device.usedAt = this.clock.now();
  }

  private remove(route: Route): void {
    const { device } = route;
    this.settle(device);
    route.drawing = false;
    device.routes.delete(route);
    device.usedAt = this.clock.now();
    const { model } = route.run.request;
    const stays = [...device.routes].some((other) => other.run.request.model === model);
    if (!stays) device.loadingSince.delete(model);
  }

  /** Records an event of a run; false if its reader has had it. */
  private hears(route: Route, event: RunEvent): boolean {
    const { device, run } = route;
    const { model } = run.request;
    const steps = stepsOf(run.request);
    if (event.type === 'started') {
      this.settle(device);
      device.loadingSince.delete(model);
      route.drawing = true;
      const before = route.told;
      route.told = true;
      return !before;
    }
    if (event.type === 'stepped' || event.type === 'previewed') route.done = (event.step + 1) / event.steps;
    if (event.type === 'finished') {
      this.settle(device);
      if (route.drawing) {
        const pace = route.workMs / (run.pixels * steps);
        const before = device.paces.get(model) ?? pace;
        device.paces.set(model, before + (pace - before) * NEWEST);
      }
      if (route.cold && event.timings.loadingMs > 0) this.loadingMs.set(model, event.timings.loadingMs);
    }
    return true;
  }

  /** Divides the time since the last call among the running runs of a device. */
  private settle(device: Device): void {
    const now = this.clock.now();
    const drawing = [...device.routes].filter((route) => route.drawing);
    for (const route of drawing) route.workMs += (now - device.settledAt) / drawing.length;
    device.settledAt = now;
  }

  /**
   * The next device of a run that failed because its device does not start, was lost twice, or has too little memory;
   * undefined: none.
   */
  private next(route: Route, error: unknown): Device | undefined {
    const { run, device } = route;
    if (this.closed || run.signal.aborted) return undefined;
    if (!(error instanceof RuntimeError)) return undefined;
    if (error.code === 'deviceLost' || error.code === 'outOfMemory') return this.elsewhere(route);
    if (error.code !== 'runtimeLost') return undefined;
    if (device.process.outlook(run).place !== 'down') return undefined;
    const next = this.choose(route, false);
    return next.process.outlook(run).place === 'down' ? undefined : next;
  }

  /** The best device on which the run has not failed. */
  private elsewhere(route: Route): Device | undefined {
    route.failedOn.add(route.device);
    const views = this.devices.filter((other) => !route.failedOn.has(other)).map((other) => this.viewOf(other, route));
    return views.filter(isUsable).sort((a, b) => a.endMs - b.endMs)[0]?.device;
  }

  /** Checks, after the current events, whether waiting runs should move. */
  private lookAgain(): void {
    if (this.looking) return;
    this.looking = true;
    queueMicrotask(() => {
      this.looking = false;
      if (!this.closed) this.moveThoseThatWait();
    });
  }

  private moveThoseThatWait(): void {
    for (const { process, routes } of this.devices) {
      for (const route of [...routes]) {
        const { leave } = route;
        if (!process.mayLeave(leave.signal)) continue;
        const next = this.choose(route, false);
        if (next === route.device || !this.isWorthMoving(route, next)) continue;
        this.remove(route);
        this.place(route, next);
        leave.abort(MOVED);
      }
    }
  }

  private isWorthMoving(route: Route, next: Device): boolean {
    const [here, there] = [this.viewOf(route.device, route), this.viewOf(next, route)];
    return !isUsable(here) || (isUsable(there) && there.endMs < here.endMs * WORTH_MOVING);
  }
}

interface View {
  device: Device;
  place: Outlook['place'];
  /** Expected wait for other runs, in milliseconds. */
  waitMs: number;
  /** Expected milliseconds until it ends. */
  endMs: number;
  /** Number of models on the device. */
  models: number;
}

/**
 * The device where a run ends first. For small differences the shortest wait decides, then the fewest models, which
 * spreads models, then the least recent use.
 */
function soonest(views: readonly View[]): View {
  const first = Math.min(...views.map(({ endMs }) => endMs));
  const holds = ({ device, models }: View) => models + device.loadingSince.size;
  return views
    .filter(({ endMs }) => endMs * WORTH_MOVING <= first)
    .sort((a, b) => a.waitMs - b.waitMs || holds(a) - holds(b) || a.device.usedAt - b.device.usedAt)[0]!;
}

/** Whether the device can run it at all. */
function isUsable({ place }: View): boolean {
  return place === 'held' || place === 'free' || place === 'full';
}

/** Whether a device has no other run. */
function isFree({ routes }: Device, route: Route): boolean {
  return routes.size === 0 || (routes.size === 1 && routes.has(route));
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((one) => others.includes(one));
}

/** `cuda`, `cuda:1`; devices of the same name are counted: `cpu#1`, `cpu#2`. */
function namesOf(texts: readonly string[]): string[] {
  const names = texts.map((text) => deviceText(parseDevice(text)));
  return names.map((name, index) => {
    const same = names.flatMap((other, place) => (other === name ? place : []));
    return same.length > 1 ? `${name}#${same.indexOf(index) + 1}` : name;
  });
}

/** Models that no device runs: blocked by all, or by enough devices to show that the device is not the cause. */
function asideEverywhere(devices: readonly RuntimeStatus[]): NonNullable<RuntimeStatus['setAside']> {
  const found = new Map<string, { entry: NonNullable<RuntimeStatus['setAside']>[number]; devices: number }>();
  for (const { setAside = [] } of devices) {
    for (const entry of setAside) {
      const key = entry.files.toSorted().join('\n');
      found.set(key, { entry, devices: (found.get(key)?.devices ?? 0) + 1 });
    }
  }
  const enough = Math.min(DEVICES_OF_PROOF, devices.length);
  return [...found.values()].filter((each) => each.devices >= enough).map(({ entry }) => entry);
}

function sumOf(all: readonly Calls[]): Calls[] {
  const sums = new Map<string, Calls>();
  for (const { path, component, rows, calls, ms } of all) {
    const key = `${rows} ${component} ${path}`;
    const before = sums.get(key);
    sums.set(key, { path, component, rows, calls: calls + (before?.calls ?? 0), ms: ms + (before?.ms ?? 0) });
  }
  return [...sums.values()];
}

/** Units of a run's work for each pixel. */
function stepsOf(request: RunRequest): number {
  return request.kind === 'upscale' ? 1 : request.steps;
}
