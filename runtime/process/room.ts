import { RuntimeError } from '../errors.ts';
import type { Life } from './life.ts';
import { modelsOf, Scales } from './needs.ts';
import { isSubset, MODEST_PIXELS } from './quarantine.ts';
import type { Run } from './run.ts';
import { noWidths, workingBytes } from './working.ts';

/** Runs between two recyclings for memory, where recycling does not help, become never more than these. */
const MOST_PATIENCE = 1_024;

/** A recycling has helped when the process stays within the limit for so many times the runs it had to be kept for. */
const STEADY_RUNS = 8;

/** Sides of pictures are multiples of this in every model. */
const STEP = 8;

/** What fits into one process: so many models, and so much memory. */
export class Room {
  /** Bytes; 0 is no limit. */
  readonly limitBytes: number;
  /** Resident memory of the process, as it last told. */
  usedBytes: number | undefined;
  /** Whether weights are widened to float32, as the CPU computes. */
  widens = false;
  private readonly maxModels: number;
  private readonly scales = new Scales();
  /** Runs that a process finishes at least, before it is recycled for its memory. */
  private patience = 1;

  constructor({ maxModels, limitBytes }: { maxModels: number; limitBytes: number }) {
    this.maxModels = maxModels;
    this.limitBytes = limitBytes;
  }

  /** Finds out what the files of a run weigh; a run waits for that only where there is a limit. */
  async weigh(run: Run): Promise<void> {
    const weights = await Promise.all(run.files.map(async (file) => [file, await this.scales.weigh(file)] as const));
    run.weights = new Map(weights);
  }

  isWeighed(run: Run): boolean {
    return this.limitBytes === 0 || run.weights !== undefined;
  }

  /** Why no process can take a run; undefined when one can. */
  tooLarge(run: Run): RuntimeError | undefined {
    if (this.limitBytes === 0) return undefined;
    const weights = this.bytesOf(run, run.files);
    const what = run.files.length > 1 ? 'this model and what the task adds to it need' : 'this model needs';
    const limit = `but the memory limit is ${sizeText(this.limitBytes)}`;
    if (weights > this.limitBytes) {
      const message = `${what[0]!.toUpperCase()}${what.slice(1)} about ${sizeText(weights)} of memory, ${limit}.`;
      return new RuntimeError('modelUnavailable', message);
    }
    const bytes = weights + this.workingBytes(run);
    if (bytes <= this.limitBytes) return undefined;
    const { width, height } = run.request;
    const pixels = Math.floor((this.limitBytes - weights) / this.pixelBytes(run));
    const [parameter, other] = width >= height ? ['width', height] : ['height', width];
    const max = Math.floor(pixels / other / STEP) * STEP;
    return new RuntimeError(
      'invalidParameter',
      `For a picture of ${width}×${height} pixels ${what} about ${sizeText(bytes)} of memory, ${limit}: at most ${pixels} pixels fit.`,
      { parameter, ...(max > 0 && { max }) },
    );
  }

  /**
   * Whether a run takes more memory to compute than the process may still get, so that another process, which holds
   * nothing of earlier pictures, would serve it better. Only asked for pictures of more than modest size.
   */
  isShortFor(life: Life, run: Run): boolean {
    if (this.limitBytes === 0 || life.finished === 0 || run.pixels <= MODEST_PIXELS) return false;
    return (this.usedBytes ?? 0) + this.bytesAdded(life, run) + this.workingBytes(run) > this.limitBytes;
  }

  /** What a run takes to compute, beside its weights, by an estimate. */
  private workingBytes(run: Run): number {
    return run.pixels * this.pixelBytes(run);
  }

  /** What each pixel of a run's picture takes while it is computed; 0 where nothing was weighed. */
  pixelBytes(run: Run): number {
    return workingBytes(
      run.request,
      run.files.map((file) => run.weights?.get(file)?.widths ?? noWidths),
    );
  }

  /**
   * Whether a run can join what the process holds, as far as a fresh process would serve it better.
   *
   * @param live - the runs under way
   */
  fits(life: Life, run: Run, live: Iterable<Run>): boolean {
    if (this.isShortFor(life, run)) return false;
    if (isSubset([...life.touched], run.files)) return true;
    const models = new Set([...life.touchedModels, ...modelsOf(run.request)]);
    if (models.size > life.touchedModels.size && models.size > this.maxModels) return false;
    if (this.limitBytes === 0) return true;
    const more = this.bytesAdded(life, run);
    let promised = 0;
    for (const { stage, promisedBytes } of live) if (stage === 'loading') promised += promisedBytes;
    return more === 0 || (this.usedBytes ?? 0) + promised + more <= this.limitBytes;
  }

  /** What a run may load that the process was not given so far. */
  bytesAdded(life: Life, run: Run): number {
    return this.bytesOf(
      run,
      run.files.filter((file) => !life.touched.has(file)),
    );
  }

  /**
   * Whether a process is to be recycled because its runs left it past the limit: what they leaked does not come back
   * otherwise.
   */
  isUsedUp(life: Life): boolean {
    if (this.limitBytes === 0 || this.usedBytes === undefined || life.finished === 0) return false;
    if (this.usedBytes > this.limitBytes) return life.finished >= this.patience;
    if (life.finished >= this.patience * STEADY_RUNS) this.patience = 1;
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
    const kind = this.widens ? 'widened' : 'stored';
    return files.reduce((sum, file) => sum + (run.weights?.get(file)?.[kind] ?? 0), 0);
  }
}

function sizeText(bytes: number): string {
  return bytes < 1e9 ? `${Math.ceil(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
