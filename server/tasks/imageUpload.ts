import type { MayWarn } from '../../protocol/replies.ts';
import type { ImageUploadTask } from '../../protocol/tasks/imageUpload.ts';
import type { Context } from '../context.ts';
import type { Caller } from '../lifecycle/caller.ts';
import { imageUrl, storeReference } from '../lifecycle/images.ts';
import { warned } from '../lifecycle/results.ts';

/** Stores an image unchanged after checking all of it. */
export async function imageUpload(task: ImageUploadTask & MayWarn, caller: Caller, context: Context): Promise<void> {
  const image = await storeReference(task.image, 'image', caller, context);
  caller.data({
    taskType: task.taskType,
    taskUUID: task.taskUUID,
    imageUUID: image.imageUUID,
    imageURL: imageUrl(image, caller),
    ...warned(task),
  });
}
