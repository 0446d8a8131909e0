import { RuntimeError } from '../errors.ts';
import type { HeldWeights } from '../messages.ts';
import { branchesOf } from '../pipelines/calls.ts';
import { modelsOf, partsOf, Scales, type Weight } from './needs.ts';
import { isSubset, MODEST_PIXELS } from './quarantine.ts';
import { sizeParameter } from './refusals.ts';
import type { Run } from './run.ts';
import type { RuntimeProcess } from './runtimeProcess.ts';
import { noWidths, upscaleBytes, workingBytes } from './working.ts';

/** Maximum number of runs between two restarts for memory, if restarts do not help. */
const MOST_PATIENCE = 1_024;

/** A restart has helped if the process stays within the limit for this multiple of the required runs. */
const STEADY_RUNS = 8;

/** Cache time of a file's size: checking all files of a model takes milliseconds, for which each run would wait. */
const WEIGHED_MS = 10_000;

/** Sides of pictures are multiples of this in every model. */
const STEP = 8;

export interface Limits {
  maxModels: number;
  /** See `RuntimeOptions.memoryLimitBytes` and `deviceMemoryLimitBytes`. */
  limitBytes: number;
  deviceLimitBytes?: number;
}

/**
 * The capacity of one process: a number of models, and memory. On the CPU, models and pictures count against the
 * machine's memory. On an accelerator with a limit they count against its memory, by estimates, because onnxruntime
 * does not report its memory there.
 */
export class MemoryBudget {
  /** Bytes; 0 is no limit. */
  readonly limitBytes: number;
  /** Bytes of an accelerator's memory; 0 is no limit. */
  readonly deviceLimitBytes: number;
  /** Last reported resident memory of the process. */
  usedBytes: number | undefined;
  /** Whether weights are converted to float32 for computing. */
  private widens = false;
  /** Whether weights are in the memory of a device with a limit. */
  private onDevice = false;
  /** Working memory of the most demanding run of this process, which the device's allocator keeps. */
  private mostWorkingBytes = 0;
  private readonly maxModels: number;
  private readonly scales: Scales;
  private readonly now: () => number;
  /** Size of each file, and the time of the check. */
  private readonly weighed = new Map<string, { weight: Weight; phase?: Weight; at: number }>();
  /** Minimum number of finished runs before a restart for memory. */
  private patience = 1;

  /** @param now - monotonic milliseconds */
  constructor({ maxModels, limitBytes, deviceLimitBytes = 0 }: Limits, now: () => number, weights?: HeldWeights) {
    this.scales = new Scales(weights);
    this.now = now;
    this.maxModels = maxModels;
    this.limitBytes = limitBytes;
    this.deviceLimitBytes = deviceLimitBytes;
  }

  /** A new process starts; its memory is unknown. */
  begin(): void {
    this.usedBytes = undefined;
    this.mostWorkingBytes = 0;
  }

  /** The process reported its device. */
  computesOn(provider: string, precision: 'float32' | 'float16'): void {
    this.widens = precision === 'float32';
    this.onDevice = provider !== 'cpu' && this.deviceLimitBytes > 0;
  }

  /** Determines the file sizes of a run; a run waits for that only if there is a limit. */
  async weigh(run: Run): Promise<void> {
    const weigh = async (file: string) => [file, await this.scales.weigh(file, partsOf(run.request, file))] as const;
    const weights = await Promise.all(run.files.map(weigh));
    run.weights = new Map(weights);
    const at = this.now();
    const isWhole = this.isHeldWhole(run);
    for (const [file, weight] of weights) {
      const byPhase = !isWhole && modelsOf(run.request).includes(file);
      this.weighed.set(file, {
        weight,
        at,
        ...(byPhase && { phase: await this.scales.weighPhase(file, partsOf(run.request, file), weight) }),
      });
    }
    if (!isWhole) run.weights = this.knownWeights(run, 'phase');
  }

  /** Whether the sizes of all files of a run are known. */
  remembers(run: Run): boolean {
    const since = this.now() - WEIGHED_MS;
    const weights = run.files.map((file) => this.weighed.get(file));
    // Unreadable files may have appeared.
    if (!weights.every((found) => found && found.at >= since && found.weight.stored > 0)) return false;
    run.weights = this.knownWeights(run, 'weight');
    if (this.isHeldWhole(run)) return true;
    if (modelsOf(run.request).some((model) => !this.weighed.get(model)?.phase)) return false;
    run.weights = this.knownWeights(run, 'phase');
    return true;
  }

  private knownWeights({ files }: Run, kind: 'weight' | 'phase'): Map<string, Weight> {
    return new Map(
      files.map((file) => {
        const known = this.weighed.get(file)!;
        return [file, known[kind] ?? known.weight];
      }),
    );
  }

  /**
   * Whether all networks of a run are in memory together. On the CPU, where they are not, the process has them in memory one
   * after the other, see `RunNetworks`.
   */
  private isHeldWhole(run: Run): boolean {
    if (this.limitBytes === 0 || this.onDevice) return true;
    return this.bytesOf(run, run.files) + this.workingBytes(run) <= this.limitBytes;
  }

  isWeighed(run: Run): boolean {
    return (this.limitBytes === 0 && this.deviceLimitBytes === 0) || run.weights !== undefined;
  }

  /** The process gets a run. */
  take(child: RuntimeProcess, run: Run): void {
    run.promisedBytes = this.bytesAdded(child, run);
    this.mostWorkingBytes = Math.max(this.mostWorkingBytes, this.workingBytes(run));
    for (const file of run.files) child.touched.add(file);
    for (const model of modelsOf(run.request)) child.touchedModels.add(model);
  }

  /** The reason why no process can take a run; undefined if one can. */
  tooLarge(run: Run): RuntimeError | undefined {
    const { estimateLimitBytes: limitBytes } = this;
    if (limitBytes === 0) return undefined;
    const weights = this.bytesOf(run, run.files);
    const what = run.files.length > 1 ? 'this model and what the task adds to it need' : 'this model needs';
    const memory = this.onDevice ? 'device memory' : 'memory';
    const limit = `but the ${memory} limit is ${sizeText(limitBytes)}`;
    if (weights > limitBytes) {
      const message = `${what[0]!.toUpperCase()}${what.slice(1)} about ${sizeText(weights)} of ${memory}, ${limit}.`;
      return new RuntimeError('modelUnavailable', message);
    }
    const bytes = weights + this.workingBytes(run);
    if (bytes <= limitBytes) return undefined;
    const { width, height } = run.request;
    const pixels = Math.floor((limitBytes - weights) / this.pixelBytes(run));
    const parameter = sizeParameter(run.request);
    const max = parameter === 'scale' ? 0 : Math.floor(pixels / Math.min(width, height) / STEP) * STEP;
    return new RuntimeError(
      'invalidParameter',
      `For a picture of ${width}×${height} pixels ${what} about ${sizeText(bytes)} of ${memory}, ${limit}: at most ${pixels} pixels fit.`,
      { parameter, ...(max > 0 && { max }) },
    );
  }

  /** Estimated device memory of the models and the largest picture of a process; undefined without a limit. */
  deviceBytes(child: RuntimeProcess): number | undefined {
    return this.onDevice ? this.weightBytes(child.touched) + this.mostWorkingBytes : undefined;
  }

  /** The limit for estimates of models and pictures; 0 is none. */
  private get estimateLimitBytes(): number {
    return this.onDevice ? this.deviceLimitBytes : this.limitBytes;
  }

  /**
   * Whether a run needs more working memory than the process may still get, so that a new process without earlier
   * models and pictures would serve it better. For the machine's memory only with large pictures, because the process
   * reports its actual memory there.
   */
  isShortFor(child: RuntimeProcess, run: Run): boolean {
    if (this.onDevice) {
      const weights = this.weightBytes(child.touched) + this.bytesAdded(child, run);
      return weights + Math.max(this.mostWorkingBytes, this.workingBytes(run)) > this.deviceLimitBytes;
    }
    if (this.limitBytes === 0 || child.finished === 0 || run.pixels <= MODEST_PIXELS) return false;
    return (this.usedBytes ?? 0) + this.bytesAdded(child, run) + this.workingBytes(run) > this.limitBytes;
  }

  /** Estimated working memory of a run, without weights. */
  workingBytes(run: Run): number {
    return run.pixels * this.pixelBytes(run);
  }

  /** Estimated working memory per pixel; 0 without known sizes. */
  pixelBytes(run: Run): number {
    const { request, files, weights } = run;
    if (request.kind === 'upscale') {
      return Math.ceil(upscaleBytes(request, weights?.get(request.model)?.upscaler) / run.pixels);
    }
    const { traits } = weights?.get(request.model) ?? {};
    return workingBytes(
      request,
      files.map((file) => weights?.get(file)?.widths ?? noWidths),
      traits ? branchesOf(request, traits) : 1,
    );
  }

  /**
   * Whether a run fits beside the loaded models; if not, a new process would serve it better.
   *
   * @param live - the live runs
   */
  fits(child: RuntimeProcess, run: Run, live: Iterable<Run>): boolean {
    if (this.isShortFor(child, run)) return false;
    if (isSubset([...child.touched], run.files)) return true;
    const models = new Set([...child.touchedModels, ...modelsOf(run.request)]);
    if (models.size > child.touchedModels.size && models.size > this.maxModels) return false;
    if (this.onDevice || this.limitBytes === 0) return true;
    const more = this.bytesAdded(child, run);
    let promised = 0;
    for (const { stage, promisedBytes } of live) if (stage === 'loading') promised += promisedBytes;
    return more === 0 || (this.usedBytes ?? 0) + promised + more <= this.limitBytes;
  }

  /** Files that a run may load and the process has not been given. */
  bytesAdded(child: RuntimeProcess, run: Run): number {
    return this.bytesOf(
      run,
      run.files.filter((file) => !child.touched.has(file)),
    );
  }

  /** Whether a process must be restarted because it exceeds the limit after its runs: leaks are not freed otherwise. */
  isUsedUp(child: RuntimeProcess): boolean {
    if (this.limitBytes === 0 || this.usedBytes === undefined || child.finished === 0) return false;
    if (this.usedBytes > this.limitBytes) return child.finished >= this.patience;
    if (child.finished >= this.patience * STEADY_RUNS) this.patience = 1;
    return false;
  }

  /**
   * Records a restart for memory. If a new process exceeds the limit just as soon, the work itself needs the memory,
   * and the next restart comes after twice as many runs.
   *
   * @returns minimum number of runs before a restart
   */
  recycled(): number {
    this.patience = Math.min(this.patience * 2, MOST_PATIENCE);
    return this.patience;
  }

  /** Memory of some of a run's files once loaded. */
  private bytesOf(run: Run, files: readonly string[]): number {
    return files.reduce((sum, file) => sum + (run.weights?.get(file)?.[this.kind] ?? 0), 0);
  }

  private get kind(): 'widened' | 'stored' {
    return this.widens ? 'widened' : 'stored';
  }

  /** Memory of files on a device, for any run. */
  private weightBytes(files: Iterable<string>): number {
    let sum = 0;
    for (const file of files) sum += this.weighed.get(file)?.weight[this.kind] ?? 0;
    return sum;
  }
}

function sizeText(bytes: number): string {
  return bytes < 1e9 ? `${Math.ceil(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
