import { type ImageReference } from '../images.ts';
/** Stores or deletes an image: the newer words for what imageUpload does. */
export type MediaStorageTask =
  | {
      taskType: 'mediaStorage';
      taskUUID: string;
      operation: 'upload';
      media: ImageReference;
    }
  | {
      taskType: 'mediaStorage';
      taskUUID: string;
      operation: 'delete';
      media: ImageReference & {
        kind: 'uuid';
      };
    };
export declare const mediaStorage: import('../parameters.ts').TaskKind<MediaStorageTask>;
