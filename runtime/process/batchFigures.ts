import type { Batch, Calibration, Calls, FromRuntime, LogLevel } from '../messages.ts';
import type { KeptBatches } from './keptBatches.ts';

type Log = (level: LogLevel, message: string, fields?: object) => void;

/** Measured batch sizes, and counts of calls by batch size. */
export class BatchFigures {
  private readonly log: Log;
  private readonly kept: KeptBatches;
  private readonly current = new Map<string, Batch>();
  private readonly counted = new Map<string, Calls>();
  /** The first call of a batch size, while it runs. */
  private trying: Calibration | undefined;

  /** @param kept - shared by all processes that write to the same file */
  constructor(kept: KeptBatches, log: Log) {
    this.log = log;
    this.kept = kept;
  }

  /** The results of the current process. */
  batches(): Batch[] {
    return [...this.current.values()];
  }

  /** Calls of all processes so far. */
  calls(): Calls[] {
    return [...this.counted.values()];
  }

  /** The values for a new process. */
  known(): Calibration[] {
    this.current.clear();
    this.trying = undefined;
    return this.kept.all();
  }

  count(news: readonly Calls[]): void {
    for (const { path, component, rows, calls, ms } of news) {
      const key = `${rows} ${component} ${path}`;
      const before = this.counted.get(key);
      this.counted.set(key, { path, component, rows, calls: calls + (before?.calls ?? 0), ms: ms + (before?.ms ?? 0) });
    }
  }

  calibrated({ calibration, found }: Extract<FromRuntime, { type: 'calibrated' }>): void {
    const { graph, shape, rows } = calibration;
    this.current.set(`${graph} ${shape}`, { graph, shape, rows });
    if (!found) return;
    this.kept.keep(calibration);
    this.log('info', 'The batch size of a graph was measured.', { graph, shape, rows, ...found });
  }

  /** The first call of a batch size starts; undefined: none runs any more. */
  tries(calibration: Calibration | undefined): void {
    this.trying = calibration;
  }

  /** The process was lost: the first call of a batch size is not repeated. Half that size works. */
  lost(): void {
    if (!this.trying) return;
    const { graph, shape, rows } = this.trying;
    this.kept.keep({ ...this.trying, rows: rows / 2 });
    const message = 'The runtime process died in the first call of this batch size. The size is not tried again.';
    this.log('warn', message, { graph, shape, rows });
  }

  /** Resolves when the file is written or cannot be written. */
  written(): Promise<void> {
    return this.kept.written();
  }
}
