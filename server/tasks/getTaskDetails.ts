import { TaskError } from '../../protocol/errors.ts';
import type { MayWarn, TaskDetailsResult } from '../../protocol/replies.ts';
import type { GetTaskDetailsTask } from '../../protocol/tasks/getTaskDetails.ts';
import type { Context } from '../context.ts';
import type { Caller } from '../lifecycle/caller.ts';
import { type FinishedImage, ResultReference, resultOf, warned } from '../lifecycle/results.ts';

/** Returns the settings of a task, without prompts and images, and its answers so far. */
export async function getTaskDetails(
  task: GetTaskDetailsTask & MayWarn,
  caller: Caller,
  { records }: Context,
): Promise<void> {
  const record = records.find(caller.owner, task.taskUUID);
  if (record === undefined) throw new TaskError('taskNotFound', { parameter: 'taskUUID', type: 'string' });
  const { results, error, state, taskType, taskUUID } = record;
  const data = results.flatMap((result, index) =>
    result === undefined ? [] : [withoutBase64(resultOf(record, index, result, caller))],
  );
  const failure = state === 'cancelled' ? new TaskError('taskCancelled').of(record) : error;
  const response: TaskDetailsResult['response'] = {
    ...(data.length > 0 && { data }),
    ...(failure !== undefined && { errors: [failure.toWire()] }),
  };
  caller.data({
    taskType: task.taskType,
    taskUUID: task.taskUUID,
    status: 'success',
    request: [{ taskType, taskUUID, ...record.settings }],
    response,
    ...warned(task),
  });
}

function withoutBase64(result: FinishedImage | ResultReference): FinishedImage {
  return result instanceof ResultReference ? result.item : result;
}
