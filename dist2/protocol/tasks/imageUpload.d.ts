import { type ImageReference } from '../images.ts';
/** Stores an image, to be used by its UUID. */
export interface ImageUploadTask {
  taskType: 'imageUpload';
  taskUUID: string;
  image: ImageReference;
}
export declare const imageUpload: import('../parameters.ts').TaskKind<ImageUploadTask>;
