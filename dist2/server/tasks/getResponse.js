import { TaskError } from '../../protocol/errors.js';
import { ResultReference, resultOf, warned } from '../results.js';
/**
 * Tells how a task stands, synchronous ones too: its results in the order of their index, and whether there will be
 * more. The answer has the type and UUID of the task asked about.
 */
export async function getResponse(task, caller, context) {
  const record = context.records.find(caller.owner, task.taskUUID);
  if (record === undefined) throw new TaskError('taskNotFound', { parameter: 'taskUUID', type: 'string' });
  const { state, error } = record;
  const answers = [];
  if (state !== 'unfinished' || caller.tellsParts) {
    for (let index = 0; index < record.numberResults; index++) {
      const result = record.results[index];
      if (result !== undefined) answers.push(resultOf(record, index, result, caller));
    }
  }
  if (state === 'unfinished') answers.push(processingItem(record));
  const [first, ...others] = answers;
  // Of this task, which has no item of its own; the others say what the task asked about says in vain.
  if (first !== undefined) {
    const both = warned({ warnings: [...record.warnings, ...(task.warnings ?? [])] });
    const told = first instanceof ResultReference ? first.with(both) : { ...first, ...both };
    caller.data(told, ...others);
  }
  // Never in one frame with results: TypeScript clients drop those then.
  if (state === 'failed' && error !== undefined) throw error;
  if (state === 'cancelled') throw new TaskError('taskCancelled').of(record);
}
function processingItem(record) {
  const { taskType, taskUUID, progress, loading, newestPreview: preview } = record;
  const item = {
    taskType,
    taskUUID,
    status: 'processing',
    progress,
    ...(loading && { loading }),
    ...warned(record),
  };
  if (preview === undefined) return item;
  const { event: _, taskType: _type, taskUUID: _uuid, ...rest } = preview.event;
  return { ...item, preview: { ...rest, imageBase64Data: preview.image.base64 } };
}
//# sourceMappingURL=getResponse.js.map
