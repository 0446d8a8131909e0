import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { TaskError } from '../../protocol/errors.ts';
import type { CancelledEvent, ImageFormat, PreviewedEvent } from '../../protocol/events.ts';
import { stringifyJson } from '../../protocol/json.ts';
import type { Warning } from '../../protocol/replies.ts';
import type { Clock } from '../clock.ts';
import type { EncodedImage } from '../images/encodedImage.ts';
import type { Caller } from './caller.ts';
import type { ResultTask } from './job.ts';

/** One finished image of a task. */
export interface TaskResult {
  imageUUID: string;
  format: ImageFormat;
  origin: ResultOrigin;
}

/** The seed of a generated image, or the picture that an enlarged one was made of. */
export type ResultOrigin = { seed: bigint } | { inputImageUUID: string };

export type TaskState = 'unfinished' | 'finished' | 'failed' | 'cancelled';
export type CancelReason = CancelledEvent['reason'];

/** The newest preview of an unfinished result. */
export interface Preview {
  /** With its base64, unless `binary`. */
  event: PreviewedEvent;
  image: EncodedImage;
  binary: boolean;
}

export function showPreview({ event, image, binary }: Preview, caller: Caller): void {
  caller.event(event, binary ? image.bytes : undefined);
}

// Shared values for ended tasks: a record is kept for an hour.
const nothing = Object.freeze([]) as unknown as never[];
const nobody: Set<never> = new Set();
const none = new Map<never, never>();
const isOver = Promise.resolve();
const aborted = AbortSignal.abort();

/** The record of a task, during it and for some time after. It has no prompts. */
export class TaskRecord {
  readonly taskUUID: string;
  readonly taskType: string;
  readonly owner: string;
  readonly numberResults: number;
  readonly deliveryMethod: 'sync' | 'async';
  readonly outputType: ResultTask['outputType'];
  readonly includeCost: boolean;
  readonly fingerprint: string;
  /** Its settings without prompts and images; set after the check. */
  settings: Record<string, unknown> = {};
  /** Warnings, part of every answer. */
  readonly warnings: Warning[];
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  state: TaskState = 'unfinished';
  /** Its places in the queue. */
  admitted = 0;
  /** Results by index; unfinished ones are holes. */
  results: (TaskResult | undefined)[] = [];
  /** Indexes of the results in sending order. */
  order: number[] = [];
  /** Finished and total steps of each started result. */
  steps: ({ done: number; of: number } | undefined)[] = [];
  /** Queue positions of its waiting results. */
  positions = new Map<number, number>();
  /** The component being loaded for any of its results, and the percentage of bytes loaded. */
  loading: { component: string; progress: number } | undefined;
  /** Resolves when the results of all ended runs are sent; never rejects. */
  delivered: Promise<void> = isOver;
  error: TaskError | undefined;
  cancelReason: CancelReason = 'cancelled';
  /** Receivers of results: the sender of the task, and senders of its repetitions. */
  callers = new Set<Caller>();
  /** For callers that have earlier results from another connection: the first place in `order` to send. */
  from = new Map<Caller, number>();
  /** Resolves at the end of the task, whatever the outcome; never rejects. */
  ended: Promise<void>;
  /** Previews of the unfinished results by index, the newest last. */
  #previews: Map<number, Preview> | undefined;
  #end: () => void;
  #atEnd: (() => void)[] = [];
  #controller: AbortController | undefined = new AbortController();

  constructor(task: ResultTask, caller: Caller, startedAt: number) {
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
    // Up to 20 results listen, which is not a leak.
    setMaxListeners(0, this.signal);
    let end = () => {};
    this.ended = new Promise((resolve) => {
      end = resolve;
    });
    this.#end = end;
  }

  /** Aborted when the task is cancelled, has failed, or nobody waits for it. */
  get signal(): AbortSignal {
    return this.#controller?.signal ?? aborted;
  }

  /** Whether any result has started. */
  get started(): boolean {
    return this.steps.length > 0;
  }

  /** 0 to 100 over all results. */
  get progress(): number {
    let done = 0;
    for (let index = 0; index < this.numberResults; index++) {
      const steps = this.steps[index];
      if (this.results[index] !== undefined) done += 1;
      // The last percent is decoding and storing.
      else if (steps !== undefined) done += 0.99 * (steps.done / Math.max(1, steps.of));
    }
    return Math.floor((100 * done) / this.numberResults);
  }

  get previews(): Iterable<Preview> {
    return this.#previews?.values() ?? nothing;
  }

  get newestPreview(): Preview | undefined {
    return [...this.previews].at(-1);
  }

  preview(preview: Preview): void {
    const { resultIndex } = preview.event;
    this.#previews ??= new Map();
    this.#previews.delete(resultIndex);
    this.#previews.set(resultIndex, preview);
  }

  /** Adds a result and returns its place in sending order. */
  add(index: number, result: TaskResult): number {
    this.#previews?.delete(index);
    this.results[index] = result;
    return this.order.push(index) - 1;
  }

  /** Calls `run` synchronously when the task ends. */
  atEnd(run: () => void): void {
    this.#atEnd.push(run);
  }

  /** Ends the task; false if it had ended already. */
  end(state: Exclude<TaskState, 'unfinished'>, why?: TaskError | CancelReason): boolean {
    if (this.state !== 'unfinished') return false;
    this.state = state;
    if (why instanceof TaskError) this.error = why;
    else if (why !== undefined) this.cancelReason = why;
    this.#previews = undefined;
    for (const run of this.#atEnd) run();
    this.#atEnd = nothing;
    this.#controller?.abort();
    this.#end();
    return true;
  }

  /** Reduces an ended record to the answers for queries and repetitions. */
  shrink(): void {
    for (const caller of this.callers) caller.forget(this.taskUUID);
    this.callers = nobody;
    this.from = none;
    this.positions = none;
    this.steps = nothing;
    this.loading = undefined;
    this.ended = isOver;
    this.delivered = isOver;
    this.#controller = undefined;
    this.#end = () => {};
    if (this.results.length > 0) return;
    this.results = nothing;
    this.order = nothing;
  }

  /** Cancels the task, queued or running, and informs its callers. False if it had ended already. */
  cancel(reason: CancelReason): boolean {
    if (!this.end('cancelled', reason)) return false;
    const event: CancelledEvent = { event: 'cancelled', taskType: this.taskType, taskUUID: this.taskUUID, reason };
    for (const caller of this.callers) caller.event(event);
    return true;
  }

  /** Ends the task with an error. For an asynchronous task only `getResponse` returns the error. */
  fail(error: TaskError): boolean {
    const told = error.of(this);
    if (!this.end('failed', told)) return false;
    // TypeScript clients assign an error of an unknown task to all their tasks; a polling client knows the task.
    if (this.deliveryMethod === 'sync') for (const caller of this.callers) caller.fail(told);
    return true;
  }
}

/** All known tasks, by owner and taskUUID. */
export class TaskRecords {
  /** By owner, then by taskUUID in lower case. */
  readonly #records = new Map<string, Map<string, TaskRecord>>();
  readonly #unfinished = new Set<TaskRecord>();
  /** Ended tasks in order, with their expiry time. */
  readonly #ended = new Map<TaskRecord, number>();
  /** Unfinished tasks of each lane, in order of arrival. */
  readonly #lanes = new Map<string, Set<TaskRecord>>();
  readonly #keepMs: number;
  readonly #clock: Clock;
  #isForgetting = false;

  constructor(keepMs: number, clock: Clock) {
    this.#keepMs = keepMs;
    this.#clock = clock;
  }

  find(owner: string, taskUUID: string): TaskRecord | undefined {
    return this.#records.get(owner)?.get(taskUUID.toLowerCase());
  }

  add(record: TaskRecord): void {
    const ofOwner = this.#records.get(record.owner) ?? new Map<string, TaskRecord>();
    this.#records.set(record.owner, ofOwner);
    ofOwner.set(record.taskUUID.toLowerCase(), record);
    this.#unfinished.add(record);
    record.atEnd(() => this.#unfinished.delete(record));
    // All waiting callers have been informed by then.
    void record.ended.then(() => {
      record.shrink();
      if (this.find(record.owner, record.taskUUID) === record) this.#forgetLater(record);
    });
  }

  /** Removes a task that failed its check, and informs its callers. */
  refuse(record: TaskRecord, error: TaskError): void {
    this.#delete(record);
    if (record.end('failed', error)) for (const caller of record.callers) caller.fail(error.of(record));
  }

  /** Adds a new task to a lane of its caller. */
  enterLane(record: TaskRecord, caller: Caller, lane: string | undefined): Lane {
    if (lane === undefined) return { older: () => [] };
    const name = `${caller.id} ${lane.toLowerCase()}`;
    const tasks = this.#lanes.get(name) ?? new Set();
    this.#lanes.set(name, tasks);
    tasks.add(record);
    record.atEnd(() => {
      tasks.delete(record);
      if (tasks.size === 0) this.#lanes.delete(name);
    });
    return {
      older() {
        const older = [...tasks];
        return older.slice(0, older.indexOf(record));
      },
    };
  }

  unfinished(): TaskRecord[] {
    return [...this.#unfinished];
  }

  /** Sends a reconnected caller the newest preview of each of its unfinished results. */
  showPreviews(caller: Caller): void {
    for (const record of this.#unfinished) {
      if (record.callers.has(caller)) for (const preview of record.previews) showPreview(preview, caller);
    }
  }

  /** Removes a caller: synchronous tasks without other callers end. */
  abandon(caller: Caller): void {
    for (const record of this.unfinished()) {
      record.from.delete(caller);
      if (!record.callers.delete(caller) || record.callers.size > 0) continue;
      if (record.deliveryMethod === 'sync') record.cancel('cancelled');
    }
  }

  #forgetLater(record: TaskRecord): void {
    this.#ended.set(record, this.#clock.now() + this.#keepMs);
    if (!this.#isForgetting) this.#forget();
  }

  /** One timer is enough: tasks expire in the order in which they ended. */
  #forget(): void {
    this.#isForgetting = false;
    for (const [record, at] of this.#ended) {
      const left = at - this.#clock.now();
      if (left > 0) {
        this.#isForgetting = true;
        this.#clock.after(left, () => this.#forget());
        return;
      }
      this.#delete(record);
    }
  }

  #delete(record: TaskRecord): void {
    this.#ended.delete(record);
    const ofOwner = this.#records.get(record.owner);
    const name = record.taskUUID.toLowerCase();
    // A task that failed by a server error may have run again with the same UUID.
    if (ofOwner?.get(name) !== record) return;
    ofOwner.delete(name);
    if (ofOwner.size === 0) this.#records.delete(record.owner);
  }
}

/** A task's place in its lane. */
export interface Lane {
  /** The older unfinished tasks of the lane. */
  older(): TaskRecord[];
}

/**
 * Equal for two tasks with the same parameters. `numberResults` is excluded: a client may repeat a task for only the
 * missing results.
 */
export function fingerprintOf(task: ResultTask): string {
  const { numberResults: _, warnings: _none, ...payload } = task;
  return createHash('sha256').update(stringifyJson(payload)).digest('base64');
}
