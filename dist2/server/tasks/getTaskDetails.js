import { TaskError } from '../../protocol/errors.js';
import { ResultReference, resultOf, warned } from '../results.js';
/** Tells what a task asked for, without its prompts and images, which are not kept, and how it was answered so far. */
export async function getTaskDetails(task, caller, { records }) {
  const record = records.find(caller.owner, task.taskUUID);
  if (record === undefined) throw new TaskError('taskNotFound', { parameter: 'taskUUID', type: 'string' });
  const { results, error, state, taskType, taskUUID } = record;
  const data = results.flatMap((result, index) =>
    result === undefined ? [] : [withoutBase64(resultOf(record, index, result, caller))],
  );
  const failure = state === 'cancelled' ? new TaskError('taskCancelled').of(record) : error;
  const response = {
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
function withoutBase64(result) {
  return result instanceof ResultReference ? result.item : result;
}
//# sourceMappingURL=getTaskDetails.js.map
