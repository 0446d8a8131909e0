import { RuntimeError } from '../errors.ts';
import type { HeldWeights } from '../messages.ts';
import { branchesOf } from '../pipelines/calls.ts';
import { modelsOf, partsOf, Scales, type Weight } from './needs.ts';
import { isSubset, MODEST_PIXELS } from './quarantine.ts';
import type { Run } from './run.ts';
import type { RuntimeProcess } from './runtimeProcess.ts';
import { noWidths, workingBytes } from './working.ts';

/** Runs between two recyclings for memory, where recycling does not help, become never more than these. */
const MOST_PATIENCE = 1_024;

/** A recycling has helped when the process stays within the limit for so many times the runs it had to be kept for. */
const STEADY_RUNS = 8;

/** How long the weight of a file counts: to look at all files of a model takes milliseconds, which each run would wait. */
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
 * What fits into one process: so many models, and so much memory. On the CPU, models and pictures count against the memory
 * of the machine. On an accelerator whose memory has a limit of its own they count against that, by estimates alone,
 * because onnxruntime does not tell what it takes there.
 */
export class MemoryBudget {
  /** Bytes; 0 is no limit. */
  readonly limitBytes: number;
  /** Bytes of an accelerator's memory; 0 is no limit. */
  readonly deviceLimitBytes: number;
  /** Resident memory of the process, as it last told. */
  usedBytes: number | undefined;
  /** Whether weights are widened to float32, to compute in it. */
  private widens = false;
  /** Whether weights lie in memory of a device that has a limit. */
  private onDevice = false;
  /** What the most demanding run of this process took to compute: the device's allocator keeps it for the next. */
  private mostWorkingBytes = 0;
  private readonly maxModels: number;
  private readonly scales: Scales;
  private readonly now: () => number;
  /** Of every file that was weighed, and when; of a model too large to be held whole, also what its largest phase takes. */
  private readonly weighed = new Map<string, { weight: Weight; phase?: Weight; at: number }>();
  /** Runs that a process finishes at least, before it is recycled for its memory. */
  private patience = 1;

  /** @param now - milliseconds since some moment */
  constructor({ maxModels, limitBytes, deviceLimitBytes = 0 }: Limits, now: () => number, weights?: HeldWeights) {
    this.scales = new Scales(weights);
    this.now = now;
    this.maxModels = maxModels;
    this.limitBytes = limitBytes;
    this.deviceLimitBytes = deviceLimitBytes;
  }

  /** Another process starts; nothing is known of its memory. */
  begin(): void {
    this.usedBytes = undefined;
    this.mostWorkingBytes = 0;
  }

  /** The process told what it computes on. */
  computesOn(provider: string, precision: 'float32' | 'float16'): void {
    this.widens = precision === 'float32';
    this.onDevice = provider !== 'cpu' && this.deviceLimitBytes > 0;
  }

  /** Finds out what the files of a run weigh; a run waits for that only where there is a limit. */
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

  /** Whether all files of a run were weighed a moment ago, so that it need not wait. */
  remembers(run: Run): boolean {
    const since = this.now() - WEIGHED_MS;
    const weights = run.files.map((file) => this.weighed.get(file));
    // What could not be read may be there by now.
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

  /** The process is given a run. */
  take(child: RuntimeProcess, run: Run): void {
    run.promisedBytes = this.bytesAdded(child, run);
    this.mostWorkingBytes = Math.max(this.mostWorkingBytes, this.workingBytes(run));
    for (const file of run.files) child.touched.add(file);
    for (const model of modelsOf(run.request)) child.touchedModels.add(model);
  }

  /** Why no process can take a run; undefined when one can. */
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
    const [parameter, other] = width >= height ? ['width', height] : ['height', width];
    const max = Math.floor(pixels / other / STEP) * STEP;
    return new RuntimeError(
      'invalidParameter',
      `For a picture of ${width}×${height} pixels ${what} about ${sizeText(bytes)} of ${memory}, ${limit}: at most ${pixels} pixels fit.`,
      { parameter, ...(max > 0 && { max }) },
    );
  }

  /** What the models and the largest picture of a process take of its device, by the estimate; undefined without a limit. */
  deviceBytes(child: RuntimeProcess): number | undefined {
    return this.onDevice ? this.weightBytes(child.touched) + this.mostWorkingBytes : undefined;
  }

  /** The limit that estimates of models and pictures count against; 0 is none. */
  private get estimateLimitBytes(): number {
    return this.onDevice ? this.deviceLimitBytes : this.limitBytes;
  }

  /**
   * Whether a run takes more memory to compute than the process may still get, so that another process, which holds
   * nothing of earlier models and pictures, would serve it better. In the machine's memory only for pictures of more than
   * modest size: the process tells there what it really takes.
   */
  isShortFor(child: RuntimeProcess, run: Run): boolean {
    if (this.onDevice) {
      const weights = this.weightBytes(child.touched) + this.bytesAdded(child, run);
      return weights + Math.max(this.mostWorkingBytes, this.workingBytes(run)) > this.deviceLimitBytes;
    }
    if (this.limitBytes === 0 || child.finished === 0 || run.pixels <= MODEST_PIXELS) return false;
    return (this.usedBytes ?? 0) + this.bytesAdded(child, run) + this.workingBytes(run) > this.limitBytes;
  }

  /** What a run takes to compute, beside its weights, by an estimate. */
  workingBytes(run: Run): number {
    return run.pixels * this.pixelBytes(run);
  }

  /** What each pixel of a run's picture takes while it is computed; 0 where nothing was weighed. */
  pixelBytes(run: Run): number {
    const { request, files, weights } = run;
    const { traits } = weights?.get(request.model) ?? {};
    return workingBytes(
      request,
      files.map((file) => weights?.get(file)?.widths ?? noWidths),
      traits ? branchesOf(request, traits) : 1,
    );
  }

  /**
   * Whether a run can join what the process holds, as far as a fresh process would serve it better.
   *
   * @param live - the runs under way
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

  /** What a run may load that the process was not given so far. */
  bytesAdded(child: RuntimeProcess, run: Run): number {
    return this.bytesOf(
      run,
      run.files.filter((file) => !child.touched.has(file)),
    );
  }

  /**
   * Whether a process is to be recycled because its runs left it past the limit: what they leaked does not come back
   * otherwise.
   */
  isUsedUp(child: RuntimeProcess): boolean {
    if (this.limitBytes === 0 || this.usedBytes === undefined || child.finished === 0) return false;
    if (this.usedBytes > this.limitBytes) return child.finished >= this.patience;
    if (child.finished >= this.patience * STEADY_RUNS) this.patience = 1;
    return false;
  }

  /**
   * A process is recycled for its memory. Where a fresh one is past the limit just as soon, the work itself needs that
   * much, and the next recycling comes after twice as many runs.
   *
   * @returns runs before which there is none
   */
  recycled(): number {
    this.patience = Math.min(this.patience * 2, MOST_PATIENCE);
    return this.patience;
  }

  /** What some of a run's files take once loaded. */
  private bytesOf(run: Run, files: readonly string[]): number {
    return files.reduce((sum, file) => sum + (run.weights?.get(file)?.[this.kind] ?? 0), 0);
  }

  private get kind(): 'widened' | 'stored' {
    return this.widens ? 'widened' : 'stored';
  }

  /** What files take on a device, whichever run named them. */
  private weightBytes(files: Iterable<string>): number {
    let sum = 0;
    for (const file of files) sum += this.weighed.get(file)?.weight[this.kind] ?? 0;
    return sum;
  }
}

function sizeText(bytes: number): string {
  return bytes < 1e9 ? `${Math.ceil(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
