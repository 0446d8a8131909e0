import { TaskError } from '../../protocol/errors.ts';
import type { MayWarn, ResultItem } from '../../protocol/replies.ts';
import type { GetResponseTask } from '../../protocol/tasks/getResponse.ts';
import type { Context } from '../context.ts';
import type { Caller } from '../lifecycle/caller.ts';
import type { TaskRecord } from '../lifecycle/records.ts';
import { type Answer, ResultReference, resultOf, warned } from '../lifecycle/results.ts';

/**
 * Returns the state of a task, also of a synchronous one: its results by index, and whether more follow. The answer has
 * the type and UUID of that task.
 */
export async function getResponse(task: GetResponseTask & MayWarn, caller: Caller, context: Context): Promise<void> {
  const record = context.records.find(caller.owner, task.taskUUID);
  if (record === undefined) throw new TaskError('taskNotFound', { parameter: 'taskUUID', type: 'string' });
  const { state, error } = record;
  const answers: Answer[] = [];
  if (state !== 'unfinished' || caller.tellsParts) {
    for (let index = 0; index < record.numberResults; index++) {
      const result = record.results[index];
      if (result !== undefined) answers.push(resultOf(record, index, result, caller));
    }
  }
  if (state === 'unfinished') answers.push(processingItem(record));
  const [first, ...others] = answers;
  // Warnings of getResponse itself, which has no item; others are those of the task.
  if (first !== undefined) {
    const both = warned({ warnings: [...record.warnings, ...(task.warnings ?? [])] });
    const told = first instanceof ResultReference ? first.with(both) : ({ ...first, ...both } as ResultItem);
    caller.data(told, ...others);
  }
  // In a separate frame: TypeScript clients drop results in a frame with errors.
  if (state === 'failed' && error !== undefined) throw error;
  if (state === 'cancelled') throw new TaskError('taskCancelled').of(record);
}

function processingItem(record: TaskRecord): ResultItem {
  const { taskType, taskUUID, progress, loading, newestPreview: preview } = record;
  const item = {
    taskType,
    taskUUID,
    status: 'processing',
    progress,
    ...(loading && { loading }),
    ...warned(record),
  } as const;
  if (preview === undefined) return item;
  const { event: _, taskType: _type, taskUUID: _uuid, ...rest } = preview.event;
  return { ...item, preview: { ...rest, imageBase64Data: preview.image.base64 } };
}
