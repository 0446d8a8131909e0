import type { Counter, Gauge, Histogram } from '@platformatic/prom-client';
import type { Timings } from '../runtime/index.ts';
import type { QueuedRunEvent } from './queue.ts';
/** What the runs of all tasks count into. */
export interface RunMetrics {
  waiting: Gauge<'model'>;
  running: Gauge<'model'>;
  waitSeconds: Histogram<'model'>;
  stageSeconds: Histogram<'model' | 'stage'>;
  steps: Counter<'model'>;
  results: Counter<'model'>;
}
/** Where the time of one task went, in milliseconds: what its line in the log says. */
export declare class TaskMeter {
  #private;
  /** Until the runtime began with the first of its results; absent until then. */
  queuedMs: number | undefined;
  /** Summed over the finished results. */
  readonly stages: Timings;
  /** An AIR of the catalog. */
  readonly model: string;
  constructor(model: string, metrics: RunMetrics);
  /** Counts what a run of the task says, from its queueing on, and passes it on. */
  follow(events: AsyncIterable<QueuedRunEvent>): AsyncGenerator<QueuedRunEvent, void, undefined>;
}
