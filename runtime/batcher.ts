import { setImmediate as turn } from 'node:timers/promises';
import type { GenerateRequest, Pixels, RunEvent, Stage, Timings } from './messages.ts';
import { type FloatTensor, type Graph, join, type Tensor, type ValueInfo } from './onnx/graph.ts';
import type { Call, Outputs, Report, Row, Run } from './pipelines/run.ts';
import type { PreviewDecoder, PreviewSource } from './previews/index.ts';

/** One run as its driver sees it. */
export interface Job {
  run: Run;
  /** Looked at after each step; an aborted run asks for nothing more. */
  signal: AbortSignal;
  /** Takes the run's events in order; awaited, so it says how long the run is held up. */
  emit: (event: RunEvent) => Promise<void>;
  /** Absent: no previews. */
  previews?: { every: number; decoder: PreviewDecoder; source: PreviewSource } | undefined;
}

export interface BatcherOptions {
  /**
   * How many rows (samples or guidance branches) one call may take, for latents of so many positions. Default
   * `rowsOnCpu`. The result never depends on it beyond the last bits of a float.
   */
  rowsPerCall?: (positions: number) => number;
}

/**
 * Measured on two cores with the embedded model (milliseconds for each row, one row a call against two): 16×16 latents 7.1
 * and 5.1, 24×24 12.3 and 11.6, 32×32 19 and 23. Small latents leave a core idle between operators, which further rows
 * fill; from 32×32 on a call for each costs no more, holds half the memory, and lets a cancel in between.
 */
export function rowsOnCpu(positions: number): number {
  return positions <= 24 * 24 ? 8 : 1;
}

/** An accelerator is filled by rows at any size; two are the branches of one guided run. */
export function rowsOnAccelerator(): number {
  return 2;
}

interface Live {
  job: Job;
  /** What the run waits for. */
  call: Call | undefined;
  /** What it is resumed with. */
  answer: Outputs[];
  stage: Stage | undefined;
  since: number;
  spentMs: Record<Stage, number>;
  settle: { resolve: () => void; reject: (error: unknown) => void };
}

/**
 * Drives all live runs of a process, step by step: lets each go on to its next request, answers all requests of one
 * round with as few calls as `rowsPerCall` allows, and begins again. Runs join and leave between two rounds.
 */
export class Batcher {
  private readonly live = new Set<Live>();
  private readonly rowsPerCall: (positions: number) => number;
  private driving = false;

  constructor({ rowsPerCall = rowsOnCpu }: BatcherOptions = {}) {
    this.rowsPerCall = rowsPerCall;
  }

  /** Resolves after `finished` was emitted; rejects with what the run threw, or with the signal's reason. */
  drive(job: Job): Promise<void> {
    return new Promise((resolve, reject) => {
      this.live.add({
        job,
        call: undefined,
        answer: [],
        stage: undefined,
        since: performance.now(),
        spentMs: { loading: 0, encoding: 0, denoising: 0, decoding: 0 },
        settle: { resolve, reject },
      });
      if (!this.driving) void this.loop();
    });
  }

  private async loop(): Promise<void> {
    this.driving = true;
    while (this.live.size > 0) {
      for (const live of this.live) {
        try {
          await this.advance(live);
        } catch (error) {
          this.live.delete(live);
          live.settle.reject(error);
        }
      }
      for (const group of groupCalls(this.live)) await this.answer(group);
    }
    this.driving = false;
  }

  /** Lets a run go on until it needs a call or ends. */
  private async advance(live: Live): Promise<void> {
    const { run, signal, emit } = live.job;
    for (;;) {
      // A cancel that arrived while a graph ran is in the channel now, and is read only if the loop gets a turn.
      await turn();
      if (signal.aborted) {
        await run.return(undefined as never);
        throw signal.reason;
      }
      const { done, value } = await run.next(live.answer);
      live.answer = [];
      if (done) {
        this.live.delete(live);
        await emit({ type: 'finished', pixels: value, timings: timingsOf(live) });
        live.settle.resolve();
        return;
      }
      if (value.type === 'call') {
        live.call = value;
        return;
      }
      await report(live, value);
    }
  }

  private async answer(group: Live[]): Promise<void> {
    try {
      const calls = group.map((live) => live.call!);
      const wanted = () => group.some((live) => !live.job.signal.aborted);
      const answers = await answer(calls, this.rowsPerCall(calls[0]!.positions), wanted);
      group.forEach((live, index) => {
        live.answer = answers[index]!;
      });
    } catch (error) {
      for (const live of group) {
        this.live.delete(live);
        live.settle.reject(error);
      }
    } finally {
      for (const live of group) live.call = undefined;
    }
  }
}

/** Calls that can be one: the same graph and common inputs, and rows of the same inputs in the same shapes. */
function groupCalls(lives: Iterable<Live>): Live[][] {
  const groups = new Map<Graph, Map<Row | undefined, Map<string, Live[]>>>();
  for (const live of lives) {
    if (!live.call) continue;
    const { graph, shared, rows, positions, outputs } = live.call;
    const [row = {}] = rows;
    const key = JSON.stringify([
      positions,
      outputs,
      Object.entries(row).map(([name, { dims }]) => [name, dims]),
      // An input without a batch dimension (a scalar timestep of an exported graph) has one value for the whole call.
      graph.inputs.filter(isSingle).map(({ name }) => Array.from(row[name]?.data ?? [], Number)),
    ]);
    const ofGraph = mapOf(groups, graph);
    const ofShared = mapOf(ofGraph, shared);
    const group = ofShared.get(key);
    if (group) group.push(live);
    else ofShared.set(key, [live]);
  }
  return [...groups.values()].flatMap((ofGraph) => [...ofGraph.values()].flatMap((ofShared) => [...ofShared.values()]));
}

function mapOf<K, L, V>(maps: Map<K, Map<L, V>>, key: K): Map<L, V> {
  const found = maps.get(key) ?? new Map<L, V>();
  maps.set(key, found);
  return found;
}

function isSingle({ shape }: ValueInfo): boolean {
  return shape.length === 0 || (shape.length === 1 && shape[0] === 1);
}

/**
 * Answers the calls of one group, one set of outputs for each row, with as few calls of the graph as `rowsPerCall` allows.
 * Stops between two of them when nobody wants the answers any more; they are incomplete then.
 */
async function answer(calls: readonly Call[], rowsPerCall: number, wanted: () => boolean): Promise<Outputs[][]> {
  const answers: Outputs[][] = calls.map(() => []);
  const { graph, shared, outputs } = calls[0]!;
  const rows = calls.flatMap((call, index) => call.rows.map((row) => ({ row, index })));
  const most = Math.min(rowsPerCall, ...graph.inputs.map(rowsTaken));
  for (let start = 0; start < rows.length; start += most) {
    if (start > 0) {
      await turn();
      if (!wanted()) break;
    }
    const chunk = rows.slice(start, start + most);
    const feeds: Record<string, Tensor> = { ...shared };
    for (const name of Object.keys(chunk[0]!.row)) {
      const single = graph.inputs.some((input) => input.name === name && isSingle(input));
      feeds[name] = join((single ? chunk.slice(0, 1) : chunk).map(({ row }) => row[name]!));
    }
    const results = await graph.run(feeds, outputs);
    chunk.forEach(({ index }, at) => {
      answers[index]!.push(
        Object.fromEntries(outputs.map((name) => [name, rowOf(results[name] as FloatTensor, at, chunk.length)])),
      );
    });
  }
  return answers;
}

/** Rows that a graph exported with a fixed batch takes at once. */
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

async function report(live: Live, report: Report): Promise<void> {
  const { emit, previews } = live.job;
  if (report.type === 'started' || report.type === 'loading') return emit(report);
  if (report.type === 'staged') {
    enter(live, report.stage);
    return emit(report);
  }
  const { step, steps, denoised, shape } = report;
  await emit({ type: 'stepped', step, steps });
  if (!previews || ((step + 1) % previews.every !== 0 && step !== steps - 1)) return;
  const pixels: Pixels = await previews.decoder(denoised, shape.width, shape.height, previews.source);
  await emit({ type: 'previewed', step, steps, pixels });
}

/** Counts the time since the last change to the stage that ends now. */
function enter(live: Live, stage: Stage | undefined): void {
  const now = performance.now();
  if (live.stage) live.spentMs[live.stage] += now - live.since;
  live.stage = stage;
  live.since = now;
}

function timingsOf(live: Live): Timings {
  enter(live, undefined);
  const { loading, encoding, denoising, decoding } = live.spentMs;
  return { loadingMs: loading, encodingMs: encoding, denoisingMs: denoising, decodingMs: decoding };
}

/** What a request asks the driver for, beside the run itself. */
export function previewsOf(
  request: GenerateRequest,
  source: PreviewSource,
  find: (name?: string) => PreviewDecoder,
): Job['previews'] {
  const { previews } = request;
  if (!previews) return undefined;
  return { every: Math.max(1, Math.floor(previews.every)), decoder: find(previews.decoder), source };
}
