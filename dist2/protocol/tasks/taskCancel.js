import * as z from 'zod';
import { described, taskKind, UUID, uuid } from '../parameters.js';

const shape = {
  taskType: z.literal('taskCancel'),
  taskUUID: uuid(),
  tasks: described(z.array(z.string().regex(UUID)).min(1).max(1000), {
    type: 'array',
    rule: 'an array of 1 to 1000 taskUUIDs',
    min: 1,
    max: 1000,
  }),
};
export const taskCancel = taskKind(shape, (task) => task);
//# sourceMappingURL=taskCancel.js.map
