import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { TaskError } from '../protocol/errors.js';
import { stringifyJson } from '../protocol/json.js';
export function showPreview({ event, image, binary }, caller) {
  caller.event(event, binary ? image.bytes : undefined);
}
// What ended tasks have instead of what only running ones need: a record is kept for an hour.
const nothing = Object.freeze([]);
const nobody = new Set();
const none = new Map();
const isOver = Promise.resolve();
const aborted = AbortSignal.abort();
/** What is known of a task while it runs and for some time after. Prompts are not part of it. */
export class TaskRecord {
  taskUUID;
  taskType;
  owner;
  numberResults;
  deliveryMethod;
  outputType;
  includeCost;
  fingerprint;
  /** What it asked for, but for prompts and images; known once it was checked. */
  settings = {};
  /** What the task says that has no effect; told with every answer. */
  warnings;
  /** Milliseconds since the epoch. */
  startedAt;
  state = 'unfinished';
  /** Places that it has in the queue. */
  admitted = 0;
  /** Results by index; a hole is one that is not finished. */
  results = [];
  /** Indexes of the results in the order in which they are sent. */
  order = [];
  /** Steps done and to do, of each result that has begun. */
  steps = [];
  /** Runs that come before each of its waiting results. */
  positions = new Map();
  /** What is read from disk for any of its results, and percent of all that is to be read. */
  loading;
  /** Settles when the results whose runs have ended are sent; never rejects. */
  delivered = isOver;
  error;
  cancelReason = 'cancelled';
  /** Those that results are sent to: whoever sent the task, and whoever sent it again. */
  callers = new Set();
  /** Places in `order` before which results are not sent to callers that have so many from another connection. */
  from = new Map();
  /** Settles with the end of the task, whatever it is; never rejects. */
  ended;
  /** Of the results that are not finished, by index; the newest is the last. */
  #previews;
  #end;
  #atEnd = [];
  #controller = new AbortController();
  constructor(task, caller, startedAt) {
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
    setMaxListeners(0, this.signal);
    let end = () => {};
    this.ended = new Promise((resolve) => {
      end = resolve;
    });
    this.#end = end;
  }
  /** Aborted when the task is cancelled, has failed, or is not waited for any longer. */
  get signal() {
    return this.#controller?.signal ?? aborted;
  }
  /** Whether any of its results has begun. */
  get started() {
    return this.steps.length > 0;
  }
  /** 0 to 100 over all results. */
  get progress() {
    let done = 0;
    for (let index = 0; index < this.numberResults; index++) {
      const steps = this.steps[index];
      if (this.results[index] !== undefined) done += 1;
      // The last hundredth is decoding and storing: only a result makes it whole.
      else if (steps !== undefined) done += 0.99 * (steps.done / Math.max(1, steps.of));
    }
    return Math.floor((100 * done) / this.numberResults);
  }
  get previews() {
    return this.#previews?.values() ?? nothing;
  }
  get newestPreview() {
    return [...this.previews].at(-1);
  }
  preview(preview) {
    const { resultIndex } = preview.event;
    this.#previews ??= new Map();
    this.#previews.delete(resultIndex);
    this.#previews.set(resultIndex, preview);
  }
  /** A result is there: tells its place in the order in which they are sent. */
  add(index, result) {
    this.#previews?.delete(index);
    this.results[index] = result;
    return this.order.push(index) - 1;
  }
  /** Calls `run` in the same moment in which the task ends, before anything else can happen. */
  atEnd(run) {
    this.#atEnd.push(run);
  }
  /** Ends the task if it has not ended; tells whether it was this call that did. */
  end(state, why) {
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
  /** Keeps no more than the answers to those who ask for the task or repeat it. To be called when it has ended. */
  shrink() {
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
  /** Stops the task, queued or running, and tells everybody who waits for it. False when it had already ended. */
  cancel(reason) {
    if (!this.end('cancelled', reason)) return false;
    const event = { event: 'cancelled', taskType: this.taskType, taskUUID: this.taskUUID, reason };
    for (const caller of this.callers) caller.event(event);
    return true;
  }
  /** Ends the task with an error. Of an asynchronous one it is told when it is asked for: see `getResponse`. */
  fail(error) {
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
  /** Of each owner, by taskUUID in lower case. */
  #records = new Map();
  #unfinished = new Set();
  /** Those that have ended, in that order, and when each is forgotten. */
  #ended = new Map();
  /** The unfinished tasks of each lane, in the order in which they came. */
  #lanes = new Map();
  #keepMs;
  #clock;
  #isForgetting = false;
  constructor(keepMs, clock) {
    this.#keepMs = keepMs;
    this.#clock = clock;
  }
  find(owner, taskUUID) {
    return this.#records.get(owner)?.get(taskUUID.toLowerCase());
  }
  add(record) {
    const ofOwner = this.#records.get(record.owner) ?? new Map();
    this.#records.set(record.owner, ofOwner);
    ofOwner.set(record.taskUUID.toLowerCase(), record);
    this.#unfinished.add(record);
    record.atEnd(() => this.#unfinished.delete(record));
    // Whoever waits has been told by then.
    void record.ended.then(() => {
      record.shrink();
      if (this.find(record.owner, record.taskUUID) === record) this.#forgetLater(record);
    });
  }
  /** Refuses a task that turned out wrong: it was never here, and those who wait for it are told why. */
  refuse(record, error) {
    this.#delete(record);
    if (record.end('failed', error)) for (const caller of record.callers) caller.fail(error.of(record));
  }
  /** Puts a task that has just come into a lane of its caller. */
  enterLane(record, caller, lane) {
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
  unfinished() {
    return [...this.#unfinished];
  }
  /** Shows a caller that is back the newest preview of each result that it waits for. */
  showPreviews(caller) {
    for (const record of this.#unfinished) {
      if (record.callers.has(caller)) for (const preview of record.previews) showPreview(preview, caller);
    }
  }
  /** A caller that will not come back: synchronous tasks that nobody else waits for end here. */
  abandon(caller) {
    for (const record of this.unfinished()) {
      record.from.delete(caller);
      if (!record.callers.delete(caller) || record.callers.size > 0) continue;
      if (record.deliveryMethod === 'sync') record.cancel('cancelled');
    }
  }
  #forgetLater(record) {
    this.#ended.set(record, this.#clock.now() + this.#keepMs);
    if (!this.#isForgetting) this.#forget();
  }
  /** One timer for all: they are forgotten in the order in which they ended. */
  #forget() {
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
  #delete(record) {
    this.#ended.delete(record);
    const ofOwner = this.#records.get(record.owner);
    const name = record.taskUUID.toLowerCase();
    // A task that failed on the side of the server may have run again under the same name.
    if (ofOwner?.get(name) !== record) return;
    ofOwner.delete(name);
    if (ofOwner.size === 0) this.#records.delete(record.owner);
  }
}
/**
 * Equal for two tasks that ask for the same. The number of results is left out: a client that repeats a task may ask
 * for those that are still missing only.
 */
export function fingerprintOf(task) {
  const { numberResults: _, warnings: _none, ...payload } = task;
  return createHash('sha256').update(stringifyJson(payload)).digest('base64');
}
//# sourceMappingURL=taskRecords.js.map
