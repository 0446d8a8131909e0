import * as z from 'zod';
import { taskKind, uuid } from '../parameters.js';

const shape = { taskType: z.literal('getResponse'), taskUUID: uuid() };
export const getResponse = taskKind(shape, (task) => task);
//# sourceMappingURL=getResponse.js.map
