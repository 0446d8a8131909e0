import { TaskError } from '../../protocol/errors.ts';
import type { MayWarn } from '../../protocol/replies.ts';
import type { MediaStorageTask } from '../../protocol/tasks/mediaStorage.ts';
import type { Caller } from '../caller.ts';
import type { Context } from '../context.ts';
import { warned } from '../results.ts';
import { imageUrl, storeReference } from '../taskImages.ts';

/** Keeps or deletes an image. */
export async function mediaStorage(task: MediaStorageTask & MayWarn, caller: Caller, context: Context): Promise<void> {
  const { taskType, taskUUID, operation } = task;
  if (task.operation === 'delete') {
    if (!(await context.store.delete(task.media.uuid))) {
      throw new TaskError('mediaNotFound', { parameter: 'media', type: 'string' });
    }
    return caller.data({ taskType, taskUUID, operation, mediaUUID: task.media.uuid, ...warned(task) });
  }
  const image = await storeReference(task.media, 'media', caller, context);
  const mediaURL = imageUrl(image, caller);
  caller.data({ taskType, taskUUID, operation, mediaUUID: image.imageUUID, mediaURL, ...warned(task) });
}
