import type { Delivery } from '../../protocol/delivery.ts';
import type { PreviewOptions } from '../../protocol/previews.ts';
import type { MayWarn, Warning } from '../../protocol/replies.ts';
import type { ModelDescription, Pixels, RunRequest } from '../../runtime/index.ts';
import type { Context } from '../context.ts';
import type { Embedded } from '../images/embed.ts';
import type { Caller } from './caller.ts';
import type { TaskMeter } from './meter.ts';
import type { ResultOrigin, TaskRecord } from './records.ts';

/** The fields of every task whose results are images of runs. */
export interface ResultTask extends Omit<Delivery, 'previews' | 'progress'>, MayWarn {
  taskType: string;
  taskUUID: string;
  numberResults: number;
}

/** A task after the checks against models and limits. */
export interface TaskPlan {
  /** Id of its model in the catalog. */
  air: string;
  model: ModelDescription;
  /** Of each run, for the log. */
  steps: number;
  previews: PreviewOptions | false;
  progress: boolean;
  /** Warnings for options without effect. */
  warnings: Warning[];
  /** The settings that getTaskDetails returns, as far as they are known before `prepare`. */
  settings: Record<string, unknown>;
  /**
   * Reads the inputs of the runs, after the queue has admitted the task. Throws the error that ends the task; stops when
   * `signal` is aborted.
   */
  prepare(signal: AbortSignal): Promise<PreparedRuns>;
}

export interface PreparedRuns {
  settings: Record<string, unknown>;
  /** One for each result, in their order. */
  runs: PreparedRun[];
}

/** One result before its run. */
export interface PreparedRun {
  request: RunRequest;
  /** What the result tells of where it comes from. */
  origin: ResultOrigin;
  /** Completes the picture of the run before it is encoded. */
  finish(pixels: Pixels): Promise<Pixels>;
  /** Metadata for the file of the result. */
  recipe(): Embedded;
}

/** A task with its plan, while it runs. */
export interface Job {
  readonly task: ResultTask;
  readonly plan: TaskPlan;
  readonly record: TaskRecord;
  readonly meter: TaskMeter;
  readonly caller: Caller;
  readonly context: Context;
}
