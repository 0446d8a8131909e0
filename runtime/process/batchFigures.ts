import type { Batch, Calibration, Calls, FromRuntime, LogLevel } from '../messages.ts';
import type { KeptBatches } from './keptBatches.ts';

type Log = (level: LogLevel, message: string, fields?: object) => void;

/** How many rows calls take, as the process finds it out, and how many they took. */
export class BatchFigures {
  private readonly log: Log;
  private readonly kept: KeptBatches;
  private readonly current = new Map<string, Batch>();
  private readonly counted = new Map<string, Calls>();
  /** The first call of so many rows, under way. */
  private trying: Calibration | undefined;

  /** @param kept - shared by all processes that write to the same file */
  constructor(kept: KeptBatches, log: Log) {
    this.log = log;
    this.kept = kept;
  }

  /** What the process that runs has found out or was told. */
  batches(): Batch[] {
    return [...this.current.values()];
  }

  /** Calls of all processes so far. */
  calls(): Calls[] {
    return [...this.counted.values()];
  }

  /** What another process is told when it starts. */
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
    this.log('info', 'How many rows a call takes was found out.', { graph, shape, rows, ...found });
  }

  /** The first call of so many rows begins, or none is under way any more. */
  tries(calibration: Calibration | undefined): void {
    this.trying = calibration;
  }

  /** The process was lost: a first call of so many rows is not made again. Half as many were fine. */
  lost(): void {
    if (!this.trying) return;
    const { graph, shape, rows } = this.trying;
    this.kept.keep({ ...this.trying, rows: rows / 2 });
    const message = 'The first call of so many rows took the runtime process down; it is not tried again.';
    this.log('warn', message, { graph, shape, rows });
  }

  /** Resolves when the file holds everything, or cannot be written. */
  written(): Promise<void> {
    return this.kept.written();
  }
}
