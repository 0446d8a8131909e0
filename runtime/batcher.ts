import { setImmediate as turn } from 'node:timers/promises';
import { type Calibrated, Calibration } from './calibration.ts';
import { RuntimeError } from './errors.ts';
import type { Pixels, RunEvent, RunRequest, Stage, Timings } from './messages.ts';
import { type Graph, joinLasting } from './onnx/graph.ts';
import { isLasting } from './onnx/resident.ts';
import type { PreviewDecoder, PreviewSource } from './previews/index.ts';
import type { Call, Outputs, Part, Report, Row, Run } from './run.ts';
import { type Account, bySpent, type Share, Shares } from './shares.ts';
import { type FloatTensor, join, type Tensor, type ValueInfo } from './tensors/tensor.ts';

/** One run for its driver. */
export interface Job {
  run: Run;
  /** Checked before each call; an aborted run makes no more calls. */
  signal: AbortSignal;
  /** Receives the run's events in order; awaited, so it can delay the run. See `BatcherOptions.publish`. */
  emit: (event: RunEvent) => Promise<void>;
  /** Absent: no previews. */
  previews?: Previews | undefined;
  /** Absent: a separate share. */
  share?: Share | undefined;
}

export interface Previews {
  every: number;
  /** Of latents; absent for a run that reports pixels. */
  decoder?: PreviewDecoder | undefined;
  source?: PreviewSource | undefined;
  /** Called once if a preview fails; the run continues without previews. */
  onFailed?: ((error: unknown) => void) | undefined;
}

export interface BatcherOptions {
  /** Maximum rows (samples or guidance branches) of one call. Default: measured for each graph and shape, up to 16. */
  rowsPerCall?: number | undefined;
  /**
   * Whether rows share a call only if that gives the same bits as separate calls, so that a picture never depends on
   * other runs. Default true; false for accelerators, whose results differ in the last bits.
   */
  exact?: boolean;
  onCalibrated?: (graph: Graph, shape: string, found: Calibrated) => void;
  /** Batch sizes measured by an earlier process. */
  knownRows?: (graph: Graph, shape: string) => number | undefined;
  /** Makes the first call of a batch size; see `CalibrationOptions.guard`. */
  guard?: <T>(graph: Graph, shape: string, rows: number, call: () => Promise<T>) => Promise<T>;
  /** Whether the process is within its memory limit. */
  fits?: () => boolean;
  /** Called after each call, with its duration. */
  onCalled?: (graph: Graph, rows: number, ms: number) => void;
  /** Called before each call with its jobs; empty if no job needs a call but some load or read. */
  onWorking?: (jobs: readonly Job[]) => void;
  /** Awaited before each call, and before waiting for the next one, to send all pending events. */
  publish?: () => Promise<void>;
  /** Clock in milliseconds for measuring work; default: the system clock. */
  now?: () => number;
}

/** Maximum rows of one call. */
const MOST_ROWS = 16;

/** Maximum positions of one call: 16 rows of 128×128 latents, or decoding four pictures of 256 px. */
const MOST_POSITIONS = 2 ** 18;

/**
 * How long the next call waits for the runs of the last one to ask again, so that they keep sharing calls. A slower run
 * is reading files. Longer than sending a preview takes.
 */
const HOLD_MS = 25;

/** Steps that a share may be ahead of the share of a call and still join it; see `lead`. */
const LEAD = 2;

interface Live {
  job: Job;
  account: Account;
  /** The preview in progress; the run continues after it. */
  preview: { part: Part<Pixels>; step: number; steps: number } | undefined;
  previewsFailed: boolean;
  /** The call that the run waits for. */
  asked: Asked | undefined;
  /** The outputs to resume it with, and their call. */
  answer: Outputs[];
  answered: Call | undefined;
  /** The next call does not wait for this run. */
  slow: boolean;
  stage: Stage | undefined;
  since: number;
  spentMs: Record<Stage, number>;
  settle: { resolve: () => void; reject: (error: unknown) => void };
}

interface Asked {
  call: Call;
  /** Shapes of the call; equal for calls of equal cost. */
  shape: string;
  /** Values of inputs without a batch dimension (the scalar time step of an exported graph): one for the whole call. */
  singles: string;
}

/**
 * Drives all live runs of a process, one graph call at a time. The call is for the share with the least work
 * (shares.ts), for its oldest run, and for other runs that can join it, up to the best batch size (calibration.ts). So
 * pictures of different sizes and models alternate step by step, the first step of a new run is next, and decoding and
 * denoising do not block each other.
 */
export class Batcher {
  private readonly options: BatcherOptions;
  /** Oldest first. */
  private readonly live = new Set<Live>();
  private readonly shares = new Shares();
  private readonly calibrations = new WeakMap<Graph, Map<string, Calibration>>();
  /** Runs that continue until they ask for a call or end. */
  private readonly moving = new Map<Live, Promise<void>>();
  private driving = false;
  private announced: readonly Job[] | undefined;
  private onArrival = () => {};

  constructor(options: BatcherOptions = {}) {
    this.options = options;
  }

  /** Resolves after `finished` was emitted; rejects with the error of the run, or with the signal's reason. */
  drive(job: Job): Promise<void> {
    return new Promise((resolve, reject) => {
      const live: Live = {
        job,
        account: this.shares.join(job.share),
        preview: undefined,
        previewsFailed: false,
        asked: undefined,
        answer: [],
        answered: undefined,
        slow: false,
        stage: undefined,
        since: this.now(),
        spentMs: { loading: 0, encoding: 0, denoising: 0, decoding: 0 },
        settle: { resolve, reject },
      };
      this.live.add(live);
      this.move(live);
      this.onArrival();
      if (!this.driving) void this.loop();
    });
  }

  private async loop(): Promise<void> {
    this.driving = true;
    for (;;) {
      // Cancels and runs that arrived during a graph call are in the channel and are read only if the loop gets a turn.
      await turn();
      await this.settled();
      // Ends at once, not at its turn.
      for (const live of this.live) if (live.asked && live.job.signal.aborted) this.move(live);
      const group = this.next();
      if (group.length > 0 || this.moving.size > 0) await this.tell(group);
      if (group.length > 0) {
        // Cancels that came during the send.
        if (!group.some(({ job }) => job.signal.aborted)) await this.answer(group);
      } else if (this.moving.size > 0) {
        await Promise.race([...this.moving.values(), new Promise<void>((resolve) => (this.onArrival = resolve))]);
      } else if (this.live.size === 0) break;
    }
    this.driving = false;
  }

  /** Waits until every run has asked or ended, except slow ones. */
  private async settled(): Promise<void> {
    const awaited = [...this.moving].filter(([live]) => !live.slow);
    if (awaited.length === 0) return;
    // Not the promise of a timer: cancelling one creates an error with a stack in every step.
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, HOLD_MS);
      void Promise.all(awaited.map(([, moved]) => moved)).then(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    for (const [live] of awaited) live.slow = this.moving.has(live);
  }

  private move(live: Live): void {
    live.answered = live.asked?.call;
    live.asked = undefined;
    live.slow = false;
    const moved = this.advance(live).finally(() => this.moving.delete(live));
    this.moving.set(live, moved);
  }

  /** Resumes a run until it asks for a call or ends; never rejects. */
  private async advance(live: Live): Promise<void> {
    const { run, signal, emit } = live.job;
    try {
      for (;;) {
        await turn();
        if (signal.aborted) {
          await live.preview?.part.return(undefined as never);
          await run.return(undefined as never);
          throw signal.reason;
        }
        if (live.preview) {
          const call = await this.advancePreview(live, live.preview);
          if (!call) continue;
          live.asked = { call, ...describe(call) };
          return;
        }
        checkNumbers(live.answered, live.answer);
        const { done, value } = await run.next(live.answer);
        live.answer = [];
        if (done) {
          this.leave(live);
          await emit({ type: 'finished', pixels: value, timings: this.timingsOf(live) });
          live.settle.resolve();
          return;
        }
        if (value.type === 'call') {
          live.asked = { call: value, ...describe(value) };
          return;
        }
        // Stages and loading are reported separately, and are work of one run.
        if (value.type !== 'stepped') this.announced = undefined;
        await this.report(live, value);
      }
    } catch (error) {
      this.leave(live);
      live.settle.reject(error);
    }
  }

  /** Resumes a preview until it asks for a call; undefined if it is finished or failed. Never rejects. */
  private async advancePreview(live: Live, { part, step, steps }: NonNullable<Live['preview']>) {
    const { answer } = live;
    live.answer = [];
    try {
      checkNumbers(live.answered, answer);
      const { done, value } = await part.next(answer);
      if (!done) return value.type === 'call' ? value : undefined;
      live.preview = undefined;
      await live.job.emit({ type: 'previewed', step, steps, pixels: value });
    } catch (error) {
      this.leaveOutPreviews(live, error);
    }
    return undefined;
  }

  /** A failed preview must not fail its run. */
  private leaveOutPreviews(live: Live, error: unknown): void {
    live.preview = undefined;
    live.answer = [];
    live.previewsFailed = true;
    live.job.previews?.onFailed?.(error);
  }

  private leave(live: Live): void {
    if (this.live.delete(live)) this.shares.leave(live.account);
  }

  /** The runs of the next call: the one with the least work, and those that join. */
  private next(): Live[] {
    const asking = [...this.live].filter((live) => live.asked);
    // A stable sort keeps the runs of one share in order of age.
    const [first, ...others] = asking.sort((a, b) => bySpent(a.account, b.account));
    if (!first) return [];
    const group = [first];
    const joining = others.filter((live) => canShare(live, first));
    let rows = rowsOf(first);
    const waiting = joining.reduce((sum, live) => sum + rowsOf(live), rows);
    const calibration = this.calibration(first.asked!);
    const most = Math.max(rows, calibration.rowsOf(waiting));
    const mayJoin = this.lead(first, calibration.msPerRow);
    for (const live of joining) {
      if (rows + rowsOf(live) > most || group.some((other) => isSame(live.asked!, other.asked!))) continue;
      if (!mayJoin(live)) continue;
      rows += rowsOf(live);
      group.push(live);
    }
    return group;
  }

  /**
   * Whether a run may join a call of another share with less work. On a CPU, where time grows with rows, joining makes
   * the call longer: many runs of one share would get steps for one step of the other. So no share may be more than
   * `LEAD` steps ahead. If another row is nearly free, all may join.
   */
  private lead(first: Live, msPerRow: number): (live: Live) => boolean {
    const { exact = true } = this.options;
    if (!exact || msPerRow === 0) return () => true;
    const limit = first.account.spent + (LEAD * rowsOf(first) * msPerRow) / first.account.weight;
    const joined = new Map<Account, number>();
    return (live) => {
      const { account } = live;
      if (account === first.account) return true;
      const spent = joined.get(account) ?? account.spent;
      if (spent > limit) return false;
      joined.set(account, spent + (rowsOf(live) * msPerRow) / account.weight);
      return true;
    };
  }

  private calibration({ call, shape }: Asked): Calibration {
    const { graph, positions } = call;
    const { exact = true, rowsPerCall, onCalibrated, knownRows, guard, fits, now } = this.options;
    const ofGraph = this.calibrations.get(graph) ?? new Map<string, Calibration>();
    this.calibrations.set(graph, ofGraph);
    let calibration = ofGraph.get(shape);
    if (!calibration) {
      const fixed = Math.min(...graph.inputs.map(rowsTaken));
      const most = Math.min(MOST_ROWS, fixed, Math.max(1, Math.floor(MOST_POSITIONS / Math.max(1, positions))));
      const onSettled = (found: Calibrated) => onCalibrated?.(graph, shape, found);
      calibration = new Calibration({
        most,
        exact,
        given: rowsPerCall === undefined ? undefined : Math.min(rowsPerCall, fixed),
        known: knownRows?.(graph, shape),
        guard: guard && ((rows, call) => guard(graph, shape, rows, call)),
        fits,
        now,
        onSettled,
      });
      ofGraph.set(shape, calibration);
    }
    return calibration;
  }

  private async answer(group: readonly Live[]): Promise<void> {
    const asked = group.map((live) => live.asked!);
    const calibration = this.calibration(asked[0]!);
    const ended = new Set<Live>();
    const wanted = async () => {
      await turn();
      // A cancelled run does not wait for the other calls of the group.
      for (const live of group) {
        if (!live.job.signal.aborted || ended.has(live)) continue;
        ended.add(live);
        this.move(live);
        // Reported before the next call, which blocks sending.
        await this.moving.get(live);
        await turn();
      }
      return ended.size < group.length;
    };
    try {
      const rows = asked.flatMap(({ call }) => call.rows);
      const outputs = await calibration.answer(rows, (some) => this.call(asked[0]!.call, some), wanted);
      let from = 0;
      for (const [index, live] of group.entries()) {
        const count = asked[index]!.call.rows.length;
        this.shares.charge(live.account, count * calibration.msPerRow);
        const answer = outputs.slice(from, from + count);
        from += count;
        if (ended.has(live)) continue;
        live.answer = answer;
        if (answer.length < count) continue;
        for (const twin of this.twinsOf(live, group)) {
          twin.answer = answer;
          this.move(twin);
        }
      }
      for (const live of group) if (!ended.has(live)) this.move(live);
    } catch (error) {
      // Separate calls show which of them failed.
      if (group.length > 1) {
        for (const live of group) {
          if (ended.has(live)) continue;
          await this.tell([live]);
          await this.answer([live]);
        }
        return;
      }
      const [live] = group as [Live];
      if (live.preview) {
        this.leaveOutPreviews(live, error);
        this.move(live);
        return;
      }
      this.leave(live);
      live.settle.reject(error);
    }
  }

  private async call(call: Call, rows: readonly Row[]): Promise<Outputs[]> {
    const begun = this.now();
    const outputs = await callGraph(call, rows);
    this.options.onCalled?.(call.graph, rows.length, this.now() - begun);
    return outputs;
  }

  private now(): number {
    return (this.options.now ?? performance.now.bind(performance))();
  }

  /** Adds the time since the last change to the stage that ends now. */
  private enter(live: Live, stage: Stage | undefined): void {
    const now = this.now();
    if (live.stage) live.spentMs[live.stage] += now - live.since;
    live.stage = stage;
    live.since = now;
  }

  private timingsOf(live: Live): Timings {
    this.enter(live, undefined);
    const { loading, encoding, denoising, decoding } = live.spentMs;
    return { loadingMs: loading, encodingMs: encoding, denoisingMs: denoising, decodingMs: decoding };
  }

  private async report(live: Live, report: Report): Promise<void> {
    const { emit, previews } = live.job;
    if (report.type === 'started' || report.type === 'loading') return emit(report);
    if (report.type === 'staged') {
      this.enter(live, report.stage);
      return emit(report);
    }
    const { step, steps } = report;
    await emit({ type: 'stepped', step, steps });
    if (!previews || live.previewsFailed || ((step + 1) % previews.every !== 0 && step !== steps - 1)) return;
    if ('picture' in report) return emit({ type: 'previewed', step, steps, pixels: report.picture() });
    const { decoder, source } = previews;
    if (!decoder || !source) return;
    const { denoised, shape } = report;
    live.preview = { part: decoder(denoised, shape.width, shape.height, source), step, steps };
  }

  /** Runs outside the group that wait for the same result. */
  private twinsOf(live: Live, group: readonly Live[]): Live[] {
    return [...this.live].filter((other) => other.asked && !group.includes(other) && isSame(live.asked!, other.asked));
  }

  /** Reports the next call, and sends all pending events: nothing is sent during a call. */
  private async tell(group: readonly Live[]): Promise<void> {
    const { announced } = this;
    const jobs = group.map(({ job }) => job);
    this.announced = jobs;
    const isSame = announced?.length === jobs.length && jobs.every((job, index) => job === announced[index]);
    if (!isSame) this.options.onWorking?.(jobs);
    await this.options.publish?.();
  }
}

function rowsOf(live: Live): number {
  return live.asked!.call.rows.length;
}

/**
 * NaN spreads to everything after it, so its origin is reported at once: damaged weights, or overflow in half
 * precision.
 */
function checkNumbers(call: Call | undefined, outputs: readonly Outputs[]): void {
  for (const row of outputs) {
    for (const { data } of Object.values(row)) {
      if (!hasNaN(data)) continue;
      const [model, part] = nameOf(call!.graph.label);
      throw new RuntimeError(
        'inferenceError',
        `The ${part} of ${model} returned NaN or infinite values: its weights are damaged, or overflow half precision.`,
      );
    }
  }
}

function hasNaN(values: Float32Array): boolean {
  for (let at = 0; at < values.length; at++) if (Number.isNaN(values[at])) return true;
  return false;
}

/** `pocket/unet` and `pocket/unet/model.onnx` are the UNet of pocket. */
function nameOf(label: string): [model: string, part: string] {
  const parts = label.replace(/\/model\.onnx$/, '').split('/');
  return [parts.slice(0, -1).join('/') || 'the model', parts.at(-1)!];
}

function describe({ graph, rows, positions, outputs }: Call): Pick<Asked, 'shape' | 'singles'> {
  const [row = {}] = rows;
  // Every attention has inputs for an IP-Adapter, as many as it has tokens.
  const dims = new Set(
    Object.entries(row).map(([name, tensor]) => {
      const [, adapter] = /\.image_(?:keys|values)(\.\d+)$/.exec(name) ?? [];
      return adapter === undefined ? `${name} ${tensor.dims.join('×')}` : `image${adapter} ${tensor.dims[1]}`;
    }),
  );
  return {
    shape: [`${positions} positions`, ...dims, ...outputs].join(', '),
    singles: JSON.stringify(graph.inputs.filter(isSingle).map(({ name }) => Array.from(row[name]?.data ?? [], Number))),
  };
}

/** Calls that can be combined: the same graph and common inputs, and rows of the same inputs in the same shapes. */
function canShare({ asked: a }: Live, { asked: b }: Live): boolean {
  return (
    a!.call.graph === b!.call.graph &&
    a!.call.shared === b!.call.shared &&
    a!.shape === b!.shape &&
    a!.singles === b!.singles
  );
}

/** Whether two calls have the same texts, as the results of one task do: they share one result. */
function isSame(a: Asked, b: Asked): boolean {
  if (a.call.positions > 0 || a.call.graph !== b.call.graph || a.call.shared !== b.call.shared) return false;
  if (a.shape !== b.shape || a.call.rows.length !== b.call.rows.length) return false;
  return a.call.rows.every((row, index) =>
    Object.entries(row).every(([name, { data }]) => {
      const other = b.call.rows[index]![name]!.data;
      return data.every((value: number | bigint, at: number) => value === other[at]);
    }),
  );
}

function isSingle({ shape }: ValueInfo): boolean {
  return shape.length === 0 || (shape.length === 1 && shape[0] === 1);
}

/** One graph call for rows that share it; returns the outputs of each. */
async function callGraph({ graph, shared, outputs }: Call, rows: readonly Row[]): Promise<Outputs[]> {
  const feeds: Record<string, Tensor> = { ...shared };
  for (const name of Object.keys(rows[0]!)) {
    const single = graph.inputs.some((input) => input.name === name && isSingle(input));
    const parts = (single ? rows.slice(0, 1) : rows).map((row) => row[name]!);
    feeds[name] = graph.onDevice && isLasting(name) ? joinLasting(parts) : join(parts);
  }
  const results = await graph.run(feeds, outputs);
  return rows.map((_, at) =>
    Object.fromEntries(outputs.map((name) => [name, rowOf(results[name] as FloatTensor, at, rows.length)])),
  );
}

/** Fixed number of rows of an exported graph. */
function rowsTaken(input: ValueInfo): number {
  const [batch] = input.shape;
  return typeof batch === 'number' && input.shape.length > 1 && input.name === 'sample'
    ? batch
    : Number.POSITIVE_INFINITY;
}

function rowOf({ data, dims }: FloatTensor, at: number, count: number): FloatTensor {
  const size = data.length / count;
  return { dtype: 'float32', dims: [1, ...dims.slice(1)], data: data.subarray(at * size, (at + 1) * size) };
}

/** Options of a request for the driver. */
export function previewsOf(
  request: RunRequest,
  source: PreviewSource | undefined,
  find: (name?: string) => PreviewDecoder,
  onFailed?: (error: unknown) => void,
): Previews | undefined {
  const { previews } = request;
  if (!previews) return undefined;
  return {
    every: Math.max(1, Math.floor(previews.every)),
    ...(source && { decoder: find(previews.decoder), source }),
    onFailed,
  };
}
