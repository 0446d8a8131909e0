import * as z from 'zod';
import { image } from '../images.js';
import { answeredAtOnce, choice, taskKind, uuid } from '../parameters.js';

const shape = {
  taskType: z.literal('mediaStorage'),
  taskUUID: uuid(),
  operation: choice(['upload', 'delete'], 'upload'),
  media: image(),
  ...answeredAtOnce(),
};
export const mediaStorage = taskKind(shape, ({ operation = 'upload', media, taskType, taskUUID }, context) => {
  const task = { taskType, taskUUID };
  if (operation === 'upload') return { ...task, operation, media };
  if (media.kind === 'uuid') return { ...task, operation, media };
  context.issues.push({ code: 'custom', message: 'only a UUID can be deleted', input: undefined, path: ['media'] });
  return z.NEVER;
});
//# sourceMappingURL=mediaStorage.js.map
