import { setImmediate as turn } from 'node:timers/promises';
import type { GenerateRequest, Pixels, RunEvent, Stage, Timings } from './messages.ts';
import { floats, type Graph, type Tensor } from './onnx/graph.ts';
import type { LatentShape, PredictionRequest, Report, Run } from './pipelines/run.ts';
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
   * How many rows (samples or guidance branches) one call of a UNet may take, for latents of a shape. Default
   * `rowsOnCpu`. The result never depends on it beyond the last bits of a float.
   */
  rowsPerCall?: (shape: LatentShape) => number;
}

/**
 * Measured on two cores with the embedded model (milliseconds for each row, one row a call against two): 16×16 latents 7.1
 * and 5.1, 24×24 12.3 and 11.6, 32×32 19 and 23. Small latents leave a core idle between operators, which further rows
 * fill; from 32×32 on a call for each costs no more, holds half the memory, and lets a cancel in between.
 */
export function rowsOnCpu(shape: LatentShape): number {
  return shape.width * shape.height <= 24 * 24 ? 8 : 1;
}

/** An accelerator is filled by rows at any size; two are the branches of one guided run. */
export function rowsOnAccelerator(): number {
  return 2;
}

interface Live {
  job: Job;
  /** What the run waits for. */
  request: PredictionRequest | undefined;
  /** What it is resumed with. */
  answer: Float32Array[];
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
  private readonly rowsPerCall: (shape: LatentShape) => number;
  private driving = false;

  constructor({ rowsPerCall = rowsOnCpu }: BatcherOptions = {}) {
    this.rowsPerCall = rowsPerCall;
  }

  /** Resolves after `finished` was emitted; rejects with what the run threw, or with the signal's reason. */
  drive(job: Job): Promise<void> {
    return new Promise((resolve, reject) => {
      this.live.add({
        job,
        request: undefined,
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
      for (const group of groupRequests(this.live)) await this.predict(group);
    }
    this.driving = false;
  }

  /** Lets a run go on until it needs a prediction or ends. */
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
      if (value.type === 'predict') {
        live.request = value;
        return;
      }
      await report(live, value);
    }
  }

  private async predict(group: Live[]): Promise<void> {
    try {
      const requests = group.map((live) => live.request!);
      const wanted = () => group.some((live) => !live.job.signal.aborted);
      const answers = await predict(requests, this.rowsPerCall(requests[0]!.shape), wanted);
      group.forEach((live, index) => {
        live.answer = answers[index]!;
      });
    } catch (error) {
      for (const live of group) {
        this.live.delete(live);
        live.settle.reject(error);
      }
    } finally {
      for (const live of group) live.request = undefined;
    }
  }
}

/** Requests that one call can answer: the same graph, latents, text length and further inputs. */
function groupRequests(lives: Iterable<Live>): Live[][] {
  const groups = new Map<Graph, Map<string, Live[]>>();
  for (const live of lives) {
    if (!live.request) continue;
    const { graph, shape, timestep, branches } = live.request;
    const [branch] = branches;
    const parts: unknown[] = [shape, branch?.embeddings.length, Object.keys(branch?.extras ?? {})];
    // A graph with a scalar timestep has one for the whole batch.
    if (takesOneTimestep(graph)) parts.push(timestep);
    const key = JSON.stringify(parts);
    const ofGraph = groups.get(graph) ?? new Map<string, Live[]>();
    groups.set(graph, ofGraph);
    const group = ofGraph.get(key);
    if (group) group.push(live);
    else ofGraph.set(key, [live]);
  }
  return [...groups.values()].flatMap((ofGraph) => [...ofGraph.values()]);
}

function takesOneTimestep(graph: Graph): boolean {
  const shape = graph.inputs.find((input) => input.name === 'timestep')?.shape;
  return shape?.length === 0 || shape?.[0] === 1;
}

/**
 * Answers requests of one group, one array for each branch, in calls of at most `rowsPerCall` rows. Stops between two
 * calls when nobody wants the answers any more; they are incomplete then.
 */
async function predict(
  requests: readonly PredictionRequest[],
  rowsPerCall: number,
  wanted: () => boolean,
): Promise<Float32Array[][]> {
  const answers: Float32Array[][] = requests.map(() => []);
  const rows = requests.flatMap((request, index) => request.branches.map((branch) => ({ request, branch, index })));
  for (let start = 0; start < rows.length; start += rowsPerCall) {
    if (start > 0) {
      await turn();
      if (!wanted()) break;
    }
    const chunk = rows.slice(start, start + rowsPerCall);
    const { graph, shape } = chunk[0]!.request;
    const { channels, height, width } = shape;
    const { embeddings, extras } = chunk[0]!.branch;
    const count = chunk.length;
    const timesteps = Float32Array.from(chunk, (row) => row.request.timestep);
    const feeds: Record<string, Tensor> = {
      sample: floats(concatenate(chunk.map((row) => row.request.latents)), [count, channels, height, width]),
      timestep: takesOneTimestep(graph) ? floats(timesteps.subarray(0, 1), [1]) : floats(timesteps, [count]),
      encoder_hidden_states: floats(concatenate(chunk.map((row) => row.branch.embeddings.data)), [
        count,
        embeddings.length,
        embeddings.width,
      ]),
    };
    for (const [name, { dims }] of Object.entries(extras)) {
      feeds[name] = floats(concatenate(chunk.map((row) => row.branch.extras[name]!.data)), [count, ...dims.slice(1)]);
    }
    const output = graph.outputs[0]!.name;
    const predictions = (await graph.run(feeds, [output]))[output]!.data as Float32Array;
    const size = channels * height * width;
    chunk.forEach((row, at) => {
      answers[row.index]!.push(predictions.slice(at * size, (at + 1) * size));
    });
  }
  return answers;
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0]!;
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

async function report(live: Live, report: Report): Promise<void> {
  const { emit, previews } = live.job;
  if (report.type === 'started') return emit(report);
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
