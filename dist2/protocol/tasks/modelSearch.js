import * as z from 'zod';
import { answeredAtOnce, described, ignored, integer, taskKind, text, uuid } from '../parameters.js';

const words = z.preprocess(
  (value) => (typeof value === 'string' ? [value] : value),
  z.array(z.string().max(100)).max(50),
);
const isOwn = (value) => value === 'all' || value === 'private' || value === 'owned';
const shape = {
  taskType: z.literal('modelSearch'),
  taskUUID: uuid(),
  search: text({ max: 1000 }),
  tags: described(words.optional(), { type: 'array', rule: 'an array of at most 50 strings' }),
  category: text({ max: 100 }),
  type: text({ max: 100 }),
  architecture: text({ max: 100 }),
  limit: integer({ min: 1, max: 100, default: 20 }),
  offset: integer({ min: 0, max: 1_000_000, default: 0 }),
  ...answeredAtOnce(),
  conditioning: ignored('no model says what it is conditioned on.'),
  visibility: ignored('all models are the server’s own.', isOwn),
  source: ignored('all models are the server’s own.'),
  capabilities: ignored('`category` and `architecture` tell models apart.'),
  sort: ignored('models are listed in one order.'),
};
export const modelSearch = taskKind(shape, (task) => {
  const { taskType, taskUUID, search, tags, type, architecture, limit = 20, offset = 0 } = task;
  const asked = task.category?.toLowerCase();
  const category = asked === 'lycoris' ? 'lora' : asked;
  return { taskType, taskUUID, search, tags, category, type, architecture, limit, offset };
});
//# sourceMappingURL=modelSearch.js.map
