import * as z from 'zod';
import { type ImageReference, image } from '../images.ts';
import { answeredAtOnce, choice, taskKind, uuid } from '../parameters.ts';

/** Stores or deletes an image: the newer words for what imageUpload does. */
export type MediaStorageTask =
  | { taskType: 'mediaStorage'; taskUUID: string; operation: 'upload'; media: ImageReference }
  | { taskType: 'mediaStorage'; taskUUID: string; operation: 'delete'; media: ImageReference & { kind: 'uuid' } };

const shape = {
  taskType: z.literal('mediaStorage'),
  taskUUID: uuid(),
  operation: choice(['upload', 'delete'], 'upload'),
  media: image(),
  ...answeredAtOnce(),
};

export const mediaStorage = taskKind(
  shape,
  ({ operation = 'upload', media, taskType, taskUUID }, context): MediaStorageTask => {
    const task = { taskType, taskUUID };
    if (operation === 'upload') return { ...task, operation, media };
    if (media.kind === 'uuid') return { ...task, operation, media };
    context.issues.push({ code: 'custom', message: 'only a UUID can be deleted', input: undefined, path: ['media'] });
    return z.NEVER;
  },
);
