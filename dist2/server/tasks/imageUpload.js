import { warned } from '../results.js';
import { imageUrl, storeReference } from '../taskImages.js';
/** Keeps an image as it was sent, once it has been found whole. */
export async function imageUpload(task, caller, context) {
  const image = await storeReference(task.image, 'image', caller, context);
  caller.data({
    taskType: task.taskType,
    taskUUID: task.taskUUID,
    imageUUID: image.imageUUID,
    imageURL: imageUrl(image, caller),
    ...warned(task),
  });
}
//# sourceMappingURL=imageUpload.js.map
