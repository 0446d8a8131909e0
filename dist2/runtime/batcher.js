import { setImmediate as turn } from 'node:timers/promises';
import { Calibration } from './calibration.js';
import { RuntimeError } from './errors.js';
import { joinLasting } from './onnx/graph.js';
import { isLasting } from './onnx/resident.js';
import { bySpent, Shares } from './shares.js';
import { join } from './tensors/tensor.js';

/** Rows of one call are never more than this. */
const MOST_ROWS = 16;
/** Nor are their positions together: 16 rows of 128×128 latents, or four pictures of 256 px to decode. */
const MOST_POSITIONS = 2 ** 18;
/**
 * How long the next call waits for runs that were answered to ask again, so that those who shared a call go on sharing. One
 * that takes longer reads files. More than sending a preview may take.
 */
const HOLD_MS = 25;
/** Steps that a share may be ahead of the one that a call is for, and still join; see `lead`. */
const LEAD = 2;
/**
 * Drives all live runs of a process. One call of a graph is made at a time: for the run whose share of the machine has had
 * the least work (shares.ts), the oldest of its share, and for others that can be answered by the same call, as many as
 * pay (calibration.ts). So pictures of different sizes and models take turns step by step, a newcomer's first step is
 * next, and decoding one picture and denoising others do not wait for each other's end.
 */
export class Batcher {
  options;
  /** From the oldest to the newest. */
  live = new Set();
  shares = new Shares();
  calibrations = new WeakMap();
  /** Runs that go on by themselves until they ask for a call or end. */
  moving = new Map();
  driving = false;
  announced;
  onArrival = () => {};
  constructor(options = {}) {
    this.options = options;
  }
  /** Resolves after `finished` was emitted; rejects with what the run threw, or with the signal's reason. */
  drive(job) {
    return new Promise((resolve, reject) => {
      const live = {
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
  async loop() {
    this.driving = true;
    for (;;) {
      // What arrived while a graph ran, a cancel or a run, is in the channel now, and is read only if the loop gets a turn.
      await turn();
      await this.settled();
      // Ended where it stands, not when its turn comes.
      for (const live of this.live) if (live.asked && live.job.signal.aborted) this.move(live);
      const group = this.next();
      if (group.length > 0 || this.moving.size > 0) await this.tell(group);
      if (group.length > 0) {
        // Cancels that came while the news left.
        if (!group.some(({ job }) => job.signal.aborted)) await this.answer(group);
      } else if (this.moving.size > 0) {
        await Promise.race([...this.moving.values(), new Promise((resolve) => (this.onArrival = resolve))]);
      } else if (this.live.size === 0) break;
    }
    this.driving = false;
  }
  /** Waits until every run has asked or ended, but for those that take their time. */
  async settled() {
    const awaited = [...this.moving].filter(([live]) => !live.slow);
    if (awaited.length === 0) return;
    // Not the promise of a timer: ending one early makes an error with a stack, in every step.
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, HOLD_MS);
      void Promise.all(awaited.map(([, moved]) => moved)).then(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    for (const [live] of awaited) live.slow = this.moving.has(live);
  }
  move(live) {
    live.answered = live.asked?.call;
    live.asked = undefined;
    live.slow = false;
    const moved = this.advance(live).finally(() => this.moving.delete(live));
    this.moving.set(live, moved);
  }
  /** Lets a run go on until it asks for a call or ends; never rejects. */
  async advance(live) {
    const { run, signal, emit } = live.job;
    try {
      for (;;) {
        await turn();
        if (signal.aborted) {
          await live.preview?.part.return(undefined);
          await run.return(undefined);
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
        // Stages and loading are told by themselves, and are work of one run.
        if (value.type !== 'stepped') this.announced = undefined;
        await this.report(live, value);
      }
    } catch (error) {
      this.leave(live);
      live.settle.reject(error);
    }
  }
  /** Goes on with a preview until it asks for a call; undefined when it is made, or left out. Never rejects. */
  async advancePreview(live, { part, step, steps }) {
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
  /** A preview is never worth its run. */
  leaveOutPreviews(live, error) {
    live.preview = undefined;
    live.answer = [];
    live.previewsFailed = true;
    live.job.previews?.onFailed?.(error);
  }
  leave(live) {
    if (this.live.delete(live)) this.shares.leave(live.account);
  }
  /** The runs that the next call is for: the one that is owed most, and those that join. */
  next() {
    const asking = [...this.live].filter((live) => live.asked);
    // Stable, so that the runs of one share stay in the order of their age.
    const [first, ...others] = asking.sort((a, b) => bySpent(a.account, b.account));
    if (!first) return [];
    const group = [first];
    const joining = others.filter((live) => canShare(live, first));
    let rows = rowsOf(first);
    const waiting = joining.reduce((sum, live) => sum + rowsOf(live), rows);
    const calibration = this.calibration(first.asked);
    const most = Math.max(rows, calibration.rowsOf(waiting));
    const mayJoin = this.lead(first, calibration.msPerRow);
    for (const live of joining) {
      if (rows + rowsOf(live) > most || group.some((other) => isSame(live.asked, other.asked))) continue;
      if (!mayJoin(live)) continue;
      rows += rowsOf(live);
      group.push(live);
    }
    return group;
  }
  /**
   * Whether a run may join a call for another share that is owed more. Where rows cost time, as on a CPU, a run that joins
   * makes the call longer for the one it is for: many runs of one share would get their steps for the one step of another.
   * So no share gets ahead of the first by more than `LEAD` steps. Where a further row is nearly free, all may join.
   */
  lead(first, msPerRow) {
    const { exact = true } = this.options;
    if (!exact || msPerRow === 0) return () => true;
    const limit = first.account.spent + (LEAD * rowsOf(first) * msPerRow) / first.account.weight;
    const joined = new Map();
    return (live) => {
      const { account } = live;
      if (account === first.account) return true;
      const spent = joined.get(account) ?? account.spent;
      if (spent > limit) return false;
      joined.set(account, spent + (rowsOf(live) * msPerRow) / account.weight);
      return true;
    };
  }
  calibration({ call, shape }) {
    const { graph, positions } = call;
    const { exact = true, rowsPerCall, onCalibrated, knownRows, guard, fits, now } = this.options;
    const ofGraph = this.calibrations.get(graph) ?? new Map();
    this.calibrations.set(graph, ofGraph);
    let calibration = ofGraph.get(shape);
    if (!calibration) {
      const fixed = Math.min(...graph.inputs.map(rowsTaken));
      const most = Math.min(MOST_ROWS, fixed, Math.max(1, Math.floor(MOST_POSITIONS / Math.max(1, positions))));
      const onSettled = (found) => onCalibrated?.(graph, shape, found);
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
  async answer(group) {
    const asked = group.map((live) => live.asked);
    const calibration = this.calibration(asked[0]);
    const ended = new Set();
    const wanted = async () => {
      await turn();
      // A cancelled run need not wait for the other calls of the group, which others still need.
      for (const live of group) {
        if (!live.job.signal.aborted || ended.has(live)) continue;
        ended.add(live);
        this.move(live);
        // Told before the next call, which lets nothing leave.
        await this.moving.get(live);
        await turn();
      }
      return ended.size < group.length;
    };
    try {
      const rows = asked.flatMap(({ call }) => call.rows);
      const outputs = await calibration.answer(rows, (some) => this.call(asked[0].call, some), wanted);
      let from = 0;
      for (const [index, live] of group.entries()) {
        const count = asked[index].call.rows.length;
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
      // Which of them it failed for is told by calls of their own.
      if (group.length > 1) {
        for (const live of group) {
          if (ended.has(live)) continue;
          await this.tell([live]);
          await this.answer([live]);
        }
        return;
      }
      const [live] = group;
      if (live.preview) {
        this.leaveOutPreviews(live, error);
        this.move(live);
        return;
      }
      this.leave(live);
      live.settle.reject(error);
    }
  }
  async call(call, rows) {
    const begun = this.now();
    const outputs = await callGraph(call, rows);
    this.options.onCalled?.(call.graph, rows.length, this.now() - begun);
    return outputs;
  }
  now() {
    return (this.options.now ?? performance.now.bind(performance))();
  }
  /** Counts the time since the last change to the stage that ends now. */
  enter(live, stage) {
    const now = this.now();
    if (live.stage) live.spentMs[live.stage] += now - live.since;
    live.stage = stage;
    live.since = now;
  }
  timingsOf(live) {
    this.enter(live, undefined);
    const { loading, encoding, denoising, decoding } = live.spentMs;
    return { loadingMs: loading, encodingMs: encoding, denoisingMs: denoising, decodingMs: decoding };
  }
  async report(live, report) {
    const { emit, previews } = live.job;
    if (report.type === 'started' || report.type === 'loading') return emit(report);
    if (report.type === 'staged') {
      this.enter(live, report.stage);
      return emit(report);
    }
    const { step, steps, denoised, shape } = report;
    await emit({ type: 'stepped', step, steps });
    if (!previews || live.previewsFailed || ((step + 1) % previews.every !== 0 && step !== steps - 1)) return;
    const part = previews.decoder(denoised, shape.width, shape.height, previews.source);
    live.preview = { part, step, steps };
  }
  /** Runs outside the group that wait for the same answer. */
  twinsOf(live, group) {
    return [...this.live].filter((other) => other.asked && !group.includes(other) && isSame(live.asked, other.asked));
  }
  /** Says what the next call is for, and lets all news leave: nothing does while a graph runs. */
  async tell(group) {
    const { announced } = this;
    const jobs = group.map(({ job }) => job);
    this.announced = jobs;
    const isSame = announced?.length === jobs.length && jobs.every((job, index) => job === announced[index]);
    if (!isSame) this.options.onWorking?.(jobs);
    await this.options.publish?.();
  }
}
function rowsOf(live) {
  return live.asked.call.rows.length;
}
/**
 * NaN spreads to all that follows, so the part that made it is told as soon as it shows: damaged weights, or numbers that
 * overflow half precision.
 */
function checkNumbers(call, outputs) {
  for (const row of outputs) {
    for (const { data } of Object.values(row)) {
      if (!hasNaN(data)) continue;
      const [model, part] = nameOf(call.graph.label);
      throw new RuntimeError(
        'inferenceError',
        `The ${part} of ${model} gave values that are not numbers: its weights are damaged, or overflow half precision.`,
      );
    }
  }
}
function hasNaN(values) {
  for (let at = 0; at < values.length; at++) if (Number.isNaN(values[at])) return true;
  return false;
}
/** `pocket/unet` and `pocket/unet/model.onnx` are the unet of pocket. */
function nameOf(label) {
  const parts = label.replace(/\/model\.onnx$/, '').split('/');
  return [parts.slice(0, -1).join('/') || 'the model', parts.at(-1)];
}
function describe({ graph, rows, positions, outputs }) {
  const [row = {}] = rows;
  const dims = Object.entries(row).map(([name, tensor]) => `${name} ${tensor.dims.join('×')}`);
  return {
    shape: [`${positions} positions`, ...dims, ...outputs].join(', '),
    singles: JSON.stringify(graph.inputs.filter(isSingle).map(({ name }) => Array.from(row[name]?.data ?? [], Number))),
  };
}
/** Calls that can be one: the same graph and common inputs, and rows of the same inputs in the same shapes. */
function canShare({ asked: a }, { asked: b }) {
  return (
    a.call.graph === b.call.graph && a.call.shared === b.call.shared && a.shape === b.shape && a.singles === b.singles
  );
}
/** Whether two calls are for the same texts, as those of one task's results are: one answer does for all. */
function isSame(a, b) {
  if (a.call.positions > 0 || a.call.graph !== b.call.graph || a.call.shared !== b.call.shared) return false;
  if (a.shape !== b.shape || a.call.rows.length !== b.call.rows.length) return false;
  return a.call.rows.every((row, index) =>
    Object.entries(row).every(([name, { data }]) => {
      const other = b.call.rows[index][name].data;
      return data.every((value, at) => value === other[at]);
    }),
  );
}
function isSingle({ shape }) {
  return shape.length === 0 || (shape.length === 1 && shape[0] === 1);
}
/** One call of the graph for rows that can share it; one set of outputs for each. */
async function callGraph({ graph, shared, outputs }, rows) {
  const feeds = { ...shared };
  for (const name of Object.keys(rows[0])) {
    const single = graph.inputs.some((input) => input.name === name && isSingle(input));
    const parts = (single ? rows.slice(0, 1) : rows).map((row) => row[name]);
    feeds[name] = graph.onDevice && isLasting(name) ? joinLasting(parts) : join(parts);
  }
  const results = await graph.run(feeds, outputs);
  return rows.map((_, at) => Object.fromEntries(outputs.map((name) => [name, rowOf(results[name], at, rows.length)])));
}
/** Rows that a graph exported with a fixed batch takes at once. */
function rowsTaken(input) {
  const [batch] = input.shape;
  return typeof batch === 'number' && input.shape.length > 1 && input.name === 'sample'
    ? batch
    : Number.POSITIVE_INFINITY;
}
function rowOf({ data, dims }, at, count) {
  const size = data.length / count;
  return { dtype: 'float32', dims: [1, ...dims.slice(1)], data: data.subarray(at * size, (at + 1) * size) };
}
/** What a request asks the driver for, beside the run itself. */
export function previewsOf(request, source, find, onFailed) {
  const { previews } = request;
  if (!previews) return undefined;
  return { every: Math.max(1, Math.floor(previews.every)), decoder: find(previews.decoder), source, onFailed };
}
//# sourceMappingURL=batcher.js.map
