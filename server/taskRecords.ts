import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { TaskError } from '../protocol/errors.ts';
import type { CancelledEvent, ImageFormat, PreviewedEvent } from '../protocol/events.ts';
import { stringifyJson } from '../protocol/json.ts';
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

/** What is known of a task while it runs and for some time after. Prompts are not part of it. */
export class TaskRecord {
  readonly taskUUID: string;
  readonly taskType: string;
  readonly owner: string;
  readonly numberResults: number;
  readonly deliveryMethod: 'sync' | 'async';
  readonly outputType: ImageInferenceTask['outputType'];
  readonly includeCost: boolean;
  readonly fingerprint: string;
  /** What the task says that has no effect; told with every answer. */
  readonly warnings: Warning[];
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  state: TaskState = 'unfinished';
  /** Results by index; a hole is one that is not finished. */
  readonly results: (TaskResult | undefined)[] = [];
  /** Indexes of the results in the order in which they are sent. */
  readonly order: number[] = [];
  /** Steps done and to do, of each result that has begun. */
  readonly steps: ({ done: number; of: number } | undefined)[] = [];
  /** Runs that come before each of its waiting results. */
  readonly positions = new Map<number, number>();
  /** What is read from disk for any of its results, and percent of all that is to be read. */
  loading: { component: string; progress: number } | undefined;
  /** The newest of any of its results. */
  preview: { event: PreviewedEvent; image: EncodedImage } | undefined;
  /** Settles when the results whose runs have ended are sent; never rejects. */
  delivered: Promise<void> = Promise.resolve();
  error: TaskError | undefined;
  cancelReason: CancelReason = 'cancelled';
  /** Those that results are sent to: whoever sent the task, and whoever sent it again. */
  readonly callers = new Set<Caller>();
  /** Places in `order` before which results are not sent to callers that have so many from another connection. */
  readonly from = new Map<Caller, number>();
  /** Settles with the end of the task, whatever it is; never rejects. */
  readonly ended: Promise<void>;
  readonly #end: () => void;
  readonly #controller = new AbortController();

  constructor(task: ImageInferenceTask & MayWarn, caller: Caller, startedAt: number) {
    this.startedAt = startedAt;
    this.taskUUID = task.taskUUID;
    this.taskType = task.taskType;
    this.owner = caller.owner;
    this.numberResults = task.numberResults;
    this.deliveryMethod = task.deliveryMethod;
    this.outputType = task.outputType;
    this.includeCost = task.includeCost;
    this.fingerprint = fingerprintOf(task);
    this.warnings = [...(task.warnings ?? [])];
    this.callers.add(caller);
    // Each of up to 20 results listens, which is no leak.
    setMaxListeners(0, this.#controller.signal);
    let end = () => {};
    this.ended = new Promise((resolve) => {
      end = resolve;
    });
    this.#end = end;
  }

  /** Aborted when the task is cancelled, has failed, or is not waited for any longer. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether any of its results has begun. */
  get started(): boolean {
    return this.steps.length > 0;
  }

  /** 0 to 100 over all results. */
  get progress(): number {
    let done = 0;
    for (let index = 0; index < this.numberResults; index++) {
      const steps = this.steps[index];
      if (this.results[index] !== undefined) done += 1;
      // The last hundredth is decoding and storing: only a result makes it whole.
      else if (steps !== undefined) done += 0.99 * (steps.done / Math.max(1, steps.of));
    }
    return Math.floor((100 * done) / this.numberResults);
  }

  /** Ends the task if it has not ended; tells whether it was this call that did. */
  end(state: Exclude<TaskState, 'unfinished'>, why?: TaskError | CancelReason): boolean {
    if (this.state !== 'unfinished') return false;
    this.state = state;
    if (why instanceof TaskError) this.error = why;
    else if (why !== undefined) this.cancelReason = why;
    this.preview = undefined;
    this.#controller.abort();
    this.#end();
    return true;
  }

  /** Stops the task, queued or running, and tells everybody who waits for it. False when it had already ended. */
  cancel(reason: CancelReason): boolean {
    if (!this.end('cancelled', reason)) return false;
    const event: CancelledEvent = { event: 'cancelled', taskType: this.taskType, taskUUID: this.taskUUID, reason };
    for (const caller of this.callers) caller.event(event);
    return true;
  }

  /** Ends the task with an error. Of an asynchronous one it is told when it is asked for: see `getResponse`. */
  fail(error: TaskError): boolean {
    const told = error.of(this);
    if (!this.end('failed', told)) return false;
    // TypeScript clients spread an error over all their tasks when they do not know its task any more; whoever polls
    // does know it.
    if (this.deliveryMethod === 'sync') for (const caller of this.callers) caller.fail(told);
    return true;
  }
}

/** The tasks known here, by owner and taskUUID. */
export class TaskRecords {
  readonly #records = new Map<string, TaskRecord>();
  readonly #lanes = new Map<string, TaskRecord>();
  readonly #keepMs: number;
  readonly #clock: Clock;

  constructor(keepMs: number, clock: Clock) {
    this.#keepMs = keepMs;
    this.#clock = clock;
  }

  find(owner: string, taskUUID: string): TaskRecord | undefined {
    return this.#records.get(key(owner, taskUUID));
  }

  add(record: TaskRecord): void {
    const name = key(record.owner, record.taskUUID);
    this.#records.set(name, record);
    void record.ended.then(() => {
      // Whoever waited has been told. The reply to an HTTP request may be megabytes; the record is kept for an hour.
      for (const caller of record.callers) caller.forget(record.taskUUID);
      record.callers.clear();
      record.from.clear();
      this.#clock.after(this.#keepMs, () => {
        if (this.#records.get(name) === record) this.#records.delete(name);
      });
    });
  }

  /** Refuses a task that turned out wrong: it was never here, and those who wait for it are told why. */
  refuse(record: TaskRecord, error: TaskError): void {
    this.#records.delete(key(record.owner, record.taskUUID));
    if (record.end('failed', error)) for (const caller of record.callers) caller.fail(error.of(record));
  }

  /** Supersedes the unfinished task of the same caller and lane. */
  enterLane(record: TaskRecord, caller: Caller, lane: string | undefined): void {
    if (lane === undefined) return;
    const name = key(caller.id, lane);
    this.#lanes.get(name)?.cancel('superseded');
    this.#lanes.set(name, record);
    void record.ended.then(() => {
      if (this.#lanes.get(name) === record) this.#lanes.delete(name);
    });
  }

  /** The task that one of this lane would supersede. */
  inLane(caller: Caller, lane: string | undefined): TaskRecord | undefined {
    return lane === undefined ? undefined : this.#lanes.get(key(caller.id, lane));
  }

  unfinished(): TaskRecord[] {
    return [...this.#records.values()].filter((record) => record.state === 'unfinished');
  }

  /** A caller that will not come back: synchronous tasks that nobody else waits for end here. */
  abandon(caller: Caller): void {
    for (const record of this.#records.values()) {
      record.from.delete(caller);
      if (!record.callers.delete(caller) || record.callers.size > 0) continue;
      if (record.deliveryMethod === 'sync') record.cancel('cancelled');
    }
  }
}

/**
 * Equal for two tasks that ask for the same. The number of results is left out: a client that repeats a task may ask
 * for those that are still missing only.
 */
export function fingerprintOf(task: ImageInferenceTask & MayWarn): string {
  const { numberResults: _, warnings: _none, ...payload } = task;
  return createHash('sha256').update(stringifyJson(payload)).digest('base64');
}

function key(owner: string, name: string): string {
  return `${owner} ${name.toLowerCase()}`;
}
