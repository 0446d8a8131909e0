import * as z from 'zod';
import { answeredAtOnce, described, ignored, integer, taskKind, text, uuid } from '../parameters.ts';

/** Lists the models of this server. One catalog, in one order. */
export interface ModelSearchTask {
  taskType: 'modelSearch';
  taskUUID: string;
  /** Words to find in name, AIR, description or tags. */
  search?: string | undefined;
  /** All of them must be there. */
  tags?: string[] | undefined;
  /** In lower case, and `lora` where `lycoris` was asked for. */
  category?: string | undefined;
  type?: string | undefined;
  architecture?: string | undefined;
  limit: number;
  offset: number;
}

const words = z.preprocess(
  (value) => (typeof value === 'string' ? [value] : value),
  z.array(z.string().max(100)).max(50),
);

const isOwn = (value: unknown) => value === 'all' || value === 'private' || value === 'owned';

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
  conditioning: ignored('models do not list their conditioning.'),
  visibility: ignored('all models are local.', isOwn),
  source: ignored('all models are local.'),
  capabilities: ignored('use `category` and `architecture`.'),
  sort: ignored('there is only one order.'),
};

export const modelSearch = taskKind(shape, (task): ModelSearchTask => {
  const { taskType, taskUUID, search, tags, type, architecture, limit = 20, offset = 0 } = task;
  const asked = task.category?.toLowerCase();
  const category = asked === 'lycoris' ? 'lora' : asked;
  return { taskType, taskUUID, search, tags, category, type, architecture, limit, offset };
});
