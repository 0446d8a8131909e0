import type { Counter, Gauge, Histogram } from '@platformatic/prom-client';
import type { RunEvent, Timings } from '../../runtime/index.ts';
import type { QueuedRunEvent } from '../queue/queue.ts';

type RunStage = Extract<RunEvent, { type: 'staged' }>['stage'];
const stages = ['loading', 'encoding', 'denoising', 'decoding'] as const satisfies readonly RunStage[];

/** Metrics of all runs. */
export interface RunMetrics {
  waiting: Gauge<'model'>;
  running: Gauge<'model'>;
  waitSeconds: Histogram<'model'>;
  stageSeconds: Histogram<'model' | 'stage'>;
  steps: Counter<'model'>;
  results: Counter<'model'>;
}

/** Times of one task in milliseconds, for its log line. */
export class TaskMeter {
  /** Wait until the first result started; absent until then. */
  queuedMs: number | undefined;
  /** Summed over the finished results. */
  readonly stages: Timings = { loadingMs: 0, encodingMs: 0, denoisingMs: 0, decodingMs: 0 };
  /** An AIR of the catalog. */
  readonly model: string;
  readonly #metrics: RunMetrics;

  constructor(model: string, metrics: RunMetrics) {
    this.model = model;
    this.#metrics = metrics;
  }

  /** Counts the events of a run from its queueing on, and passes them on. */
  async *follow(events: AsyncIterable<QueuedRunEvent>): AsyncGenerator<QueuedRunEvent, void, undefined> {
    const run = new RunMeter(this, this.#metrics);
    try {
      for await (const event of events) {
        run.saw(event);
        yield event;
      }
    } finally {
      run.end();
    }
  }
}

class RunMeter {
  readonly #labels: { model: string };
  readonly #task: TaskMeter;
  readonly #metrics: RunMetrics;
  readonly #queuedAt = performance.now();
  #state: 'waiting' | 'running' | 'ended' = 'waiting';
  /** Steps of the run, and steps counted so far. */
  #steps = 0;
  #counted = 0;

  constructor(task: TaskMeter, metrics: RunMetrics) {
    this.#labels = { model: task.model };
    this.#task = task;
    this.#metrics = metrics;
    metrics.waiting.inc(this.#labels);
  }

  saw(event: QueuedRunEvent): void {
    const metrics = this.#metrics;
    if (event.type !== 'queued' && this.#state === 'waiting') {
      // The first event of the runtime; the run may have waited there before.
      this.#state = 'running';
      metrics.waiting.dec(this.#labels);
      metrics.running.inc(this.#labels);
      const waitedMs = performance.now() - this.#queuedAt;
      metrics.waitSeconds.observe(this.#labels, waitedMs / 1000);
      this.#task.queuedMs ??= waitedMs;
    }
    if (event.type === 'started') this.#steps = event.steps;
    else if (event.type === 'stepped' || event.type === 'previewed') this.#countUpTo(event.step + 1);
    else if (event.type === 'finished') {
      this.#countUpTo(this.#steps);
      metrics.results.inc(this.#labels);
      for (const stage of stages) {
        const ms = event.timings[`${stage}Ms`];
        this.#task.stages[`${stage}Ms`] += ms;
        if (ms > 0 || stage !== 'loading') metrics.stageSeconds.observe({ ...this.#labels, stage }, ms / 1000);
      }
    }
  }

  /** Not every step is reported. A repeated run reports lower steps again. */
  #countUpTo(steps: number): void {
    const more = steps - (steps < this.#counted ? 0 : this.#counted);
    this.#counted = steps;
    this.#metrics.steps.inc(this.#labels, more);
  }

  end(): void {
    if (this.#state === 'waiting') this.#metrics.waiting.dec(this.#labels);
    if (this.#state === 'running') this.#metrics.running.dec(this.#labels);
    this.#state = 'ended';
  }
}
