import { TaskError } from '../../protocol/errors.js';
import { belongsTo } from '../images/store.js';
import { warned } from '../results.js';
import { imageUrl, storeReference } from '../taskImages.js';
/** Keeps or deletes an image. */
export async function mediaStorage(task, caller, context) {
  const { taskType, taskUUID, operation } = task;
  if (task.operation === 'delete') {
    const image = context.store.known(task.media.uuid);
    const details = { parameter: 'media', type: 'string' };
    // Everybody who knows its UUID may read an image, but only its owner may delete it.
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
//# sourceMappingURL=mediaStorage.js.map
