import { TaskError } from '../../protocol/errors.ts';
import type { Context } from '../context.ts';
import type { Caller } from './caller.ts';
import type { ResultTask } from './job.ts';
import { fingerprintOf, type TaskRecord } from './records.ts';
import { resultOf, warned } from './results.ts';

/** Whether the task is known with the same parameters. Throws `conflictTaskUUID` if they differ. */
export function repeats(task: ResultTask, caller: Caller, { records }: Context): boolean {
  const record = records.find(caller.owner, task.taskUUID);
  if (record === undefined) return false;
  if (record.fingerprint !== fingerprintOf(task) || task.numberResults > record.numberResults) {
    throw new TaskError('conflictTaskUUID', { parameter: 'taskUUID', type: 'string' });
  }
  // HTTP clients retry tasks that failed by a server error: such a task runs again.
  return record.state !== 'failed' || (record.error?.status ?? 500) < 500;
}

/**
 * Sends a caller the finished results of a repeated task. It does not await anything, so later results follow in the
 * order of the record on every connection.
 */
export function attach(task: ResultTask, caller: Caller, context: Context): void {
  const record = context.records.find(caller.owner, task.taskUUID);
  if (record === undefined) throw new TaskError('taskNotFound');
  const { state, error } = record;
  if (record.deliveryMethod === 'async') acknowledge(record, caller);
  // A caller that asks for fewer results has the first ones: they come in the same order on every connection.
  const from = record.numberResults - task.numberResults;
  if (state === 'unfinished' && !record.callers.has(caller)) {
    record.callers.add(caller);
    record.from.set(caller, from);
  }
  if (isSentTo(record, caller)) {
    for (const index of record.order.slice(from)) {
      const result = record.results[index];
      // A resumed session may have got it a moment ago, before the repetition.
      if (result === undefined || caller.holds(record.taskUUID, index)) continue;
      caller.data(resultOf(record, index, result, caller));
    }
  }
  if (state === 'failed' && error !== undefined && record.deliveryMethod === 'sync') throw error;
  if (state === 'cancelled') {
    const { taskType, taskUUID, cancelReason: reason } = record;
    caller.event({ event: 'cancelled', taskType, taskUUID, reason });
  }
  if (record.deliveryMethod === 'sync') caller.awaits(record.ended);
}

/** Whether a caller gets results without asking for each. */
export function isSentTo({ deliveryMethod }: TaskRecord, { pushes }: Caller): boolean {
  return deliveryMethod === 'sync' || pushes;
}

export function acknowledge({ taskType, taskUUID, warnings }: TaskRecord, caller: Caller): void {
  caller.data({ taskType, taskUUID, status: 'processing', ...warned({ warnings }) });
}
