import type { TaskEvent } from '../protocol/events.ts';
/** When what arrived, in milliseconds since the task was sent. */
export interface TaskTimes {
  outcome: 'finished' | 'cancelled' | 'superseded';
  totalMs: number;
  firstPreviewMs: number | undefined;
  previews: number;
  /** Of the previews' frames. */
  bytes: number;
  /** Told of, where the task asked for progress. */
  steps: number;
}
export interface StartedTask {
  readonly taskUUID: string;
  /** As far as it is known by now. */
  readonly times: Readonly<TaskTimes>;
  /** Rejects with the task's error. */
  readonly ended: Promise<TaskTimes>;
}
/** A bare socket that times tasks, without the client library in the way. */
export declare class BenchClient {
  #private;
  private constructor();
  static connect(url: string): Promise<BenchClient>;
  /** Sends an image task of one result. */
  start(task: Record<string, unknown>, onEvent?: (event: TaskEvent) => void): StartedTask;
  run(task: Record<string, unknown>, onEvent?: (event: TaskEvent) => void): Promise<TaskTimes>;
  /** Cancels tasks; settles with the answer. */
  cancel(...tasks: string[]): Promise<string[]>;
  close(): void;
}
