import type { Calibration, LogLevel } from '../messages.ts';
/**
 * How many rows calls take, for processes to come. They are kept in memory, and in a file where there is one, which is
 * replaced as a whole. A file that cannot be read is no loss: everything is found out anew and the file written again. An
 * entry holds for its machine, structure and shape only, so nothing in it is ever wrong, at most of no use.
 */
export declare class KeptBatches {
  private readonly file;
  private readonly log;
  private readonly kept;
  private writing;
  private stale;
  /** Reads the file. @param file - absolute path; absent: only memory */
  constructor(file: string | undefined, log: (level: LogLevel, message: string, fields?: object) => void);
  all(): Calibration[];
  /** Keeps what was found out, instead of what was known for the same machine, structure and shape. */
  keep(calibration: Calibration): void;
  /** Resolves when the file holds everything, or cannot be written. */
  written(): Promise<void>;
  private set;
  private write;
}
