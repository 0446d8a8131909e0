import { TaskError } from '../../protocol/errors.ts';
import type { MayWarn } from '../../protocol/replies.ts';
import type { MediaStorageTask } from '../../protocol/tasks/mediaStorage.ts';
import type { Context } from '../context.ts';
import { belongsTo } from '../images/store.ts';
import type { Caller } from '../lifecycle/caller.ts';
import { imageUrl, storeReference } from '../lifecycle/images.ts';
import { warned } from '../lifecycle/results.ts';

/** Stores or deletes an image. */
export async function mediaStorage(task: MediaStorageTask & MayWarn, caller: Caller, context: Context): Promise<void> {
  const { taskType, taskUUID, operation } = task;
  if (task.operation === 'delete') {
    const image = context.store.known(task.media.uuid);
    const details = { parameter: 'media', type: 'string' };
    // Everybody who knows its UUID may read an image; only its owner may delete it.
    if (image !== undefined && !context.keys.open && !belongsTo(image, caller.owner)) {
      throw new TaskError('forbiddenMedia', details);
    }
    if (image === undefined || !(await context.store.delete(image.imageUUID))) {
      throw new TaskError('mediaNotFound', details);
    }
    return caller.data({ taskType, taskUUID, operation, mediaUUID: task.media.uuid, ...warned(task) });
  }
  const image = await storeReference(task.media, 'media', caller, context);
  const mediaURL = imageUrl(image, caller);
  caller.data({ taskType, taskUUID, operation, mediaUUID: image.imageUUID, mediaURL, ...warned(task) });
}
