import type { Outputs, Row } from './run.ts';
/** What was found out about one graph at one shape. */
export interface Calibrated {
  /** Rows that one call takes from now on. */
  rows: number;
  /** Milliseconds for each row, by rows in a call. */
  msPerRow: Record<number, number>;
  /** Largest difference between the same row's answers in calls of different sizes; 0 means the same bits. */
  difference: number;
}
export interface CalibrationOptions {
  /** Rows that are never passed. */
  most: number;
  /** Whether a size is taken only if each row's answer has the same bits as in a call of its own. */
  exact: boolean;
  /** Rows to take whatever pays; nothing is found out then. */
  given?: number | undefined;
  /** Rows that were found out before, for a graph of the same structure on the same machine; not found out again. */
  known?: number | undefined;
  /** Makes the first call of each size, so that it can be told which one a process did not survive. */
  guard?: ((rows: number, call: () => Promise<Outputs[]>) => Promise<Outputs[]>) | undefined;
  /** Whether the process is still within its memory, asked after the first call of each size. Default: it is. */
  fits?: (() => boolean) | undefined;
  /** Milliseconds; default: the clock of the machine. */
  now?: (() => number) | undefined;
  onSettled?: (found: Calibrated) => void;
}
/**
 * How many rows of one graph and shape a call should take, found out while working: sizes 1, 2, 4, … as far as each row
 * becomes cheaper. Calls are made in these sizes only, because only these were compared. All answers are used, but for one
 * call of each size that is made twice over, to compare.
 *
 * A size is tried as soon as so many rows wait for the same graph in the same shape: never before anybody asks for it, and
 * never with rows of its own making. It is taken if it costs at most 0.95 of what a row cost so far; in the least of three
 * measurements, or in one that takes longer than half a second and is no faster. The search ends with the first size that
 * is not taken, and with the last one there is: 16 rows, or fewer where they would hold more positions than four pictures
 * of 256 px. It ends one size earlier where a call fails for want of room, leaves the process past its memory limit, or
 * was the process's last. The supervisor keeps what was found for the next process (process/keptBatches.ts).
 *
 * Measured on two cores with the embedded model (milliseconds for each row, one row a call against two): 16×16 latents 7.1
 * and 5.1, 24×24 12.3 and 11.6, 32×32 19 and 23. Small latents leave a core idle between operators, which further rows
 * fill. Where it does not pay, a call for each holds less memory and lets a cancel in between.
 */
export declare class Calibration {
  /** Milliseconds for each row, a moving average over calls; what sharing by work goes by. */
  msPerRow: number;
  private readonly options;
  private best;
  private settled;
  private readonly measured;
  private compared;
  private difference;
  constructor(options: CalibrationOptions);
  /** Rows that the next call should take, of so many that wait. */
  rowsOf(waiting: number): number;
  /**
   * Answers rows in calls of the right size.
   *
   * @param wanted - asked between two calls; false leaves the rest of the answers out
   */
  answer(
    rows: readonly Row[],
    call: (rows: readonly Row[]) => Promise<Outputs[]>,
    wanted: () => Promise<boolean>,
  ): Promise<Outputs[]>;
  private isTrial;
  /** Answers twice as many rows as the best call takes so far, in one call or in two, whichever was measured less often. */
  private try;
  private judge;
  private settle;
  private timed;
}
