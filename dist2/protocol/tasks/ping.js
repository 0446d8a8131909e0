import * as z from 'zod';
import { taskKind } from '../parameters.js';
export const ping = taskKind({ taskType: z.literal('ping') }, (task) => task);
//# sourceMappingURL=ping.js.map
