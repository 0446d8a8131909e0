import { TaskError } from '../protocol/errors.ts';
import type { CancelledEvent, ImageFormat, PreviewedEvent } from '../protocol/events.ts';
import type { MayWarn, Warning } from '../protocol/replies.ts';
import type { ImageInferenceTask } from '../protocol/tasks/imageInference.ts';
import type { Caller } from './caller.ts';
import type { Clock } from './clock.ts';
import type { EncodedImage } from './images/encodedImage.ts';
/** One finished image of a task. */
export interface TaskResult {
  imageUUID: string;
  format: ImageFormat;
  seed: bigint;
}
export type TaskState = 'unfinished' | 'finished' | 'failed' | 'cancelled';
export type CancelReason = CancelledEvent['reason'];
/** The newest look at a result that is not finished. */
export interface Preview {
  /** With its base64, unless `binary`. */
  event: PreviewedEvent;
  image: EncodedImage;
  binary: boolean;
}
export declare function showPreview({ event, image, binary }: Preview, caller: Caller): void;
/** What is known of a task while it runs and for some time after. Prompts are not part of it. */
export declare class TaskRecord {
  #private;
  readonly taskUUID: string;
  readonly taskType: string;
  readonly owner: string;
  readonly numberResults: number;
  readonly deliveryMethod: 'sync' | 'async';
  readonly outputType: ImageInferenceTask['outputType'];
  readonly includeCost: boolean;
  readonly fingerprint: string;
  /** What it asked for, but for prompts and images; known once it was checked. */
  settings: Record<string, unknown>;
  /** What the task says that has no effect; told with every answer. */
  readonly warnings: Warning[];
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  state: TaskState;
  /** Places that it has in the queue. */
  admitted: number;
  /** Results by index; a hole is one that is not finished. */
  results: (TaskResult | undefined)[];
  /** Indexes of the results in the order in which they are sent. */
  order: number[];
  /** Steps done and to do, of each result that has begun. */
  steps: (
    | {
        done: number;
        of: number;
      }
    | undefined
  )[];
  /** Runs that come before each of its waiting results. */
  positions: Map<number, number>;
  /** What is read from disk for any of its results, and percent of all that is to be read. */
  loading:
    | {
        component: string;
        progress: number;
      }
    | undefined;
  /** Settles when the results whose runs have ended are sent; never rejects. */
  delivered: Promise<void>;
  error: TaskError | undefined;
  cancelReason: CancelReason;
  /** Those that results are sent to: whoever sent the task, and whoever sent it again. */
  callers: Set<Caller>;
  /** Places in `order` before which results are not sent to callers that have so many from another connection. */
  from: Map<Caller, number>;
  /** Settles with the end of the task, whatever it is; never rejects. */
  ended: Promise<void>;
  constructor(task: ImageInferenceTask & MayWarn, caller: Caller, startedAt: number);
  /** Aborted when the task is cancelled, has failed, or is not waited for any longer. */
  get signal(): AbortSignal;
  /** Whether any of its results has begun. */
  get started(): boolean;
  /** 0 to 100 over all results. */
  get progress(): number;
  get previews(): Iterable<Preview>;
  get newestPreview(): Preview | undefined;
  preview(preview: Preview): void;
  /** A result is there: tells its place in the order in which they are sent. */
  add(index: number, result: TaskResult): number;
  /** Calls `run` in the same moment in which the task ends, before anything else can happen. */
  atEnd(run: () => void): void;
  /** Ends the task if it has not ended; tells whether it was this call that did. */
  end(state: Exclude<TaskState, 'unfinished'>, why?: TaskError | CancelReason): boolean;
  /** Keeps no more than the answers to those who ask for the task or repeat it. To be called when it has ended. */
  shrink(): void;
  /** Stops the task, queued or running, and tells everybody who waits for it. False when it had already ended. */
  cancel(reason: CancelReason): boolean;
  /** Ends the task with an error. Of an asynchronous one it is told when it is asked for: see `getResponse`. */
  fail(error: TaskError): boolean;
}
/** The tasks known here, by owner and taskUUID. */
export declare class TaskRecords {
  #private;
  constructor(keepMs: number, clock: Clock);
  find(owner: string, taskUUID: string): TaskRecord | undefined;
  add(record: TaskRecord): void;
  /** Refuses a task that turned out wrong: it was never here, and those who wait for it are told why. */
  refuse(record: TaskRecord, error: TaskError): void;
  /** Puts a task that has just come into a lane of its caller. */
  enterLane(record: TaskRecord, caller: Caller, lane: string | undefined): Lane;
  unfinished(): TaskRecord[];
  /** Shows a caller that is back the newest preview of each result that it waits for. */
  showPreviews(caller: Caller): void;
  /** A caller that will not come back: synchronous tasks that nobody else waits for end here. */
  abandon(caller: Caller): void;
}
/** A task's place in its lane. */
export interface Lane {
  /** The unfinished tasks that came before it. */
  older(): TaskRecord[];
}
/**
 * Equal for two tasks that ask for the same. The number of results is left out: a client that repeats a task may ask
 * for those that are still missing only.
 */
export declare function fingerprintOf(task: ImageInferenceTask & MayWarn): string;
