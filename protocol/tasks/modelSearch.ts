import * as z from 'zod';
import { described, integer, taskKind, text, uuid } from '../parameters.ts';

/** Lists the models of this server. `source`, `capabilities` and `sort` are ignored: one catalog, in one order. */
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
  conditioning?: string | undefined;
  visibility?: string | undefined;
  limit: number;
  offset: number;
}

const words = z.preprocess(
  (value) => (typeof value === 'string' ? [value] : value),
  z.array(z.string().max(100)).max(50),
);

const shape = {
  taskType: z.literal('modelSearch'),
  taskUUID: uuid(),
  search: text({ max: 1000 }),
  tags: described(words.optional(), { type: 'array', rule: 'an array of at most 50 strings' }),
  category: text({ max: 100 }),
  type: text({ max: 100 }),
  architecture: text({ max: 100 }),
  conditioning: text({ max: 100 }),
  visibility: text({ max: 100 }),
  limit: integer({ min: 1, max: 100, default: 20 }),
  offset: integer({ min: 0, max: 1_000_000, default: 0 }),
};

export const modelSearch = taskKind(shape, ({ category, limit = 20, offset = 0, ...task }): ModelSearchTask => {
  const asked = category?.toLowerCase();
  return { ...task, category: asked === 'lycoris' ? 'lora' : asked, limit, offset };
});
