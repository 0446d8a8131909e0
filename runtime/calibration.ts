import type { Outputs, Row } from './run.ts';

/** The result for one graph and shape. */
export interface Calibrated {
  /** Best number of rows per call. */
  rows: number;
  /** Milliseconds per row, by rows in a call. */
  msPerRow: Record<number, number>;
  /** Largest difference between results of the same row in calls of different sizes; 0 means the same bits. */
  difference: number;
}

export interface CalibrationOptions {
  /** Maximum number of rows. */
  most: number;
  /** Whether a size requires that each row has the same bits as in a separate call. */
  exact: boolean;
  /** A fixed number of rows; then nothing is measured. */
  given?: number | undefined;
  /** The number measured earlier for the same graph structure and machine; then nothing is measured. */
  known?: number | undefined;
  /** Makes the first call of each size, to record which one a process does not survive. */
  guard?: ((rows: number, call: () => Promise<Outputs[]>) => Promise<Outputs[]>) | undefined;
  /** Whether the process is within its memory limit, asked after the first call of each size. Default: yes. */
  fits?: (() => boolean) | undefined;
  /** Clock in milliseconds; default: the system clock. */
  now?: (() => number) | undefined;
  onSettled?: (found: Calibrated) => void;
}

/** A doubled size is accepted if its time per row is at most this fraction. */
const WORTH = 0.95;

/**
 * A call above this time is not repeated to confirm that a size is slower. A shorter one is, because its first time is
 * mostly the provider's setup for the size.
 */
const LONG_MS = 500;

/** Stops calls whose results are no longer needed. */
const unwanted = Symbol('unwanted');

/** Measurements of each size; the minimum counts, because other work only adds time. */
const TRIALS = 3;

/**
 * Measures the best number of rows per call of one graph and shape during work: sizes 1, 2, 4, … while the time per row
 * decreases. Calls use only these sizes, because only they were compared. All results are used, except one repeated
 * call of each size for the comparison.
 *
 * A size is tried once that many rows wait for the same graph and shape. It is accepted if the time per row is at most
 * 0.95 of the previous; by the minimum of three measurements, or by one of more than half a second that is no faster.
 * The search ends with the first rejected size, or with the maximum: 16 rows, or fewer if they would have more
 * positions than four pictures of 256 px. It ends one size earlier if a call fails for lack of memory, exceeds the
 * memory limit, or kills the process. The supervisor keeps the result for the next process (process/keptBatches.ts).
 *
 * Measured on two cores with the embedded model (milliseconds per row, one row against two per call): 16×16 latents 7.1
 * and 5.1, 24×24 12.3 and 11.6, 32×32 19 and 23. Small latents leave a core idle between operators, which further rows
 * use. For larger ones separate calls take less memory and allow cancelling in between.
 */
export class Calibration {
  /** Milliseconds per row, a moving average over calls, used as the work of a call. */
  msPerRow = 0;
  private readonly options: CalibrationOptions;
  private best = 1;
  private settled: boolean;
  private readonly measured = new Map<number, number[]>();
  private compared = 0;
  private difference = 0;

  constructor(options: CalibrationOptions) {
    this.options = options;
    const { given, known, most } = options;
    if (known !== undefined) this.best = Math.max(1, Math.min(known, most));
    this.settled = given !== undefined || known !== undefined || most < 2;
  }

  /** Rows of the next call, of the waiting ones. */
  rowsOf(waiting: number): number {
    const { given } = this.options;
    if (given !== undefined) return Math.min(given, waiting);
    return this.isTrial(waiting) ? this.best * 2 : Math.min(this.best, 2 ** Math.floor(Math.log2(waiting)));
  }

  /**
   * Computes rows in calls of the best size.
   *
   * @param wanted - asked between two calls; false skips the remaining rows
   */
  async answer(
    rows: readonly Row[],
    call: (rows: readonly Row[]) => Promise<Outputs[]>,
    wanted: () => Promise<boolean>,
  ): Promise<Outputs[]> {
    const answers: Outputs[] = [];
    let calls = 0;
    const each = async (some: readonly Row[]) => {
      if (calls++ > 0 && !(await wanted())) throw unwanted;
      return await call(some);
    };
    while (answers.length < rows.length) {
      const left = rows.slice(answers.length);
      const chunk = left.slice(0, this.rowsOf(left.length));
      const trial = this.isTrial(chunk.length);
      try {
        answers.push(...(trial ? await this.try(chunk, each) : await this.timed(chunk, chunk.length, each)));
      } catch (error) {
        if (error === unwanted) break;
        if (chunk.length === 1 || this.options.given !== undefined) throw error;
        // The provider has too little memory: the same rows are computed in smaller calls.
        this.best = chunk.length / 2;
        this.settle();
      }
    }
    return answers;
  }

  private isTrial(waiting: number): boolean {
    const next = this.best * 2;
    return !this.settled && next <= this.options.most && waiting >= next;
  }

  /** Computes twice the best number of rows, in one call or in two, whichever has fewer measurements. */
  private async try(rows: readonly Row[], call: (rows: readonly Row[]) => Promise<Outputs[]>): Promise<Outputs[]> {
    const size = rows.length;
    const first = this.compared < size;
    const [small, large] = [this.best, size].map((rowsOf) => this.measured.get(rowsOf)?.length ?? 0) as [
      number,
      number,
    ];
    let answers = first || small < large ? await this.timed(rows, this.best, call) : undefined;
    if (first) {
      this.compared = size;
      const { exact, guard = (_, trial) => trial(), fits = () => true } = this.options;
      const together = await guard(size, () => this.timed(rows, size, call));
      const difference = largestDifference(answers!, together);
      this.difference = Math.max(this.difference, difference);
      if ((exact && difference !== 0) || !fits()) this.settle();
    } else answers ??= await this.timed(rows, size, call);
    if (!this.settled) this.judge(size);
    return answers!;
  }

  private judge(size: number): void {
    const [now, then] = [this.best, size].map((rows) => this.measured.get(rows) ?? []) as [number[], number[]];
    const ratio = Math.min(...then) / Math.min(...now);
    const clear = ratio > 1 && Math.min(...then) * size > LONG_MS;
    if (!clear && Math.min(now.length, then.length) < TRIALS) return;
    if (ratio <= WORTH) {
      this.best = size;
      if (size * 2 > this.options.most) this.settle();
    } else this.settle();
  }

  private settle(): void {
    this.settled = true;
    const msPerRow: Record<number, number> = {};
    for (const [rows, times] of this.measured) msPerRow[rows] = Math.round(Math.min(...times) * 100) / 100;
    this.options.onSettled?.({ rows: this.best, msPerRow, difference: this.difference });
  }

  private async timed(
    rows: readonly Row[],
    size: number,
    call: (rows: readonly Row[]) => Promise<Outputs[]>,
  ): Promise<Outputs[]> {
    const { now = () => performance.now() } = this.options;
    const answers: Outputs[] = [];
    while (answers.length < rows.length) {
      const chunk = rows.slice(answers.length, answers.length + size);
      const begun = now();
      answers.push(...(await call(chunk)));
      const ms = (now() - begun) / chunk.length;
      this.msPerRow = this.msPerRow === 0 ? ms : 0.8 * this.msPerRow + 0.2 * ms;
      const times = this.measured.get(chunk.length);
      if (!times) this.measured.set(chunk.length, [ms]);
      else if (!this.settled && times.push(ms) > 2 * TRIALS) times.shift();
    }
    return answers;
  }
}

/** 0 only for equal bits. */
function largestDifference(one: readonly Outputs[], other: readonly Outputs[]): number {
  let largest = 0;
  for (const [index, outputs] of one.entries()) {
    for (const [name, { data }] of Object.entries(outputs)) {
      const compared = other[index]![name]!.data;
      if (bytesOf(data).equals(bytesOf(compared))) continue;
      for (let at = 0; at < data.length; at++) {
        const difference = Math.abs(data[at]! - compared[at]!);
        if (!(difference <= largest)) largest = difference;
      }
      // Zeros of different signs have different bits.
      largest ||= Number.MIN_VALUE;
    }
  }
  return largest;
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
