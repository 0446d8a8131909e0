import type { Batch, Calibration, Calls, FromRuntime, LogLevel } from '../messages.ts';
import type { KeptBatches } from './keptBatches.ts';

type Log = (level: LogLevel, message: string, fields?: object) => void;
/** How many rows calls take, as the process finds it out, and how many they took. */
export declare class BatchFigures {
  private readonly log;
  private readonly kept;
  private readonly current;
  private readonly counted;
  /** The first call of so many rows, under way. */
  private trying;
  /** @param kept - shared by all processes that write to the same file */
  constructor(kept: KeptBatches, log: Log);
  /** What the process that runs has found out or was told. */
  batches(): Batch[];
  /** Calls of all processes so far. */
  calls(): Calls[];
  /** What another process is told when it starts. */
  known(): Calibration[];
  count(news: readonly Calls[]): void;
  calibrated({
    calibration,
    found,
  }: Extract<
    FromRuntime,
    {
      type: 'calibrated';
    }
  >): void;
  /** The first call of so many rows begins, or none is under way any more. */
  tries(calibration: Calibration | undefined): void;
  /** The process was lost: a first call of so many rows is not made again. Half as many were fine. */
  lost(): void;
  /** Resolves when the file holds everything, or cannot be written. */
  written(): Promise<void>;
}
