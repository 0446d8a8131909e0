import * as z from 'zod';
import { type ImageReference, image } from '../images.ts';
import { answeredAtOnce, taskKind, uuid } from '../parameters.ts';

/** Stores an image, to be used by its UUID. */
export interface ImageUploadTask {
  taskType: 'imageUpload';
  taskUUID: string;
  image: ImageReference;
}

const shape = { taskType: z.literal('imageUpload'), taskUUID: uuid(), image: image(), ...answeredAtOnce() };

export const imageUpload = taskKind(
  shape,
  ({ taskType, taskUUID, image }): ImageUploadTask => ({ taskType, taskUUID, image }),
);
