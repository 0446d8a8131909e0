import * as z from 'zod';
import { type ImageReference, image } from '../images.ts';
import { taskKind, uuid } from '../parameters.ts';

/** Stores an image, to be used by its UUID. */
export interface ImageUploadTask {
  taskType: 'imageUpload';
  taskUUID: string;
  image: ImageReference;
}

const shape = { taskType: z.literal('imageUpload'), taskUUID: uuid(), image: image() };

export const imageUpload = taskKind(shape, (task): ImageUploadTask => task);
