import * as z from 'zod';
import { boolean, described, taskKind, UUID } from '../parameters.js';
import { previews } from '../previews.js';

const shape = {
  taskType: z.literal('authentication'),
  apiKey: described(z.string().max(1024).optional(), { type: 'string', rule: 'a string of at most 1024 characters' }),
  // Whatever is wrong with it, a fresh session is the answer: clients that are refused here reconnect forever.
  connectionSessionUUID: z.string().regex(UUID).optional().catch(undefined),
  previews,
  progress: boolean(false),
  push: boolean(),
};
export const authentication = taskKind(shape, (task) => task);
//# sourceMappingURL=authentication.js.map
