import * as z from 'zod';
import { answeredAtOnce, taskKind, uuid } from '../parameters.js';

const shape = { taskType: z.literal('getTaskDetails'), taskUUID: uuid(), ...answeredAtOnce() };
export const getTaskDetails = taskKind(shape, ({ taskType, taskUUID }) => ({ taskType, taskUUID }));
//# sourceMappingURL=getTaskDetails.js.map
