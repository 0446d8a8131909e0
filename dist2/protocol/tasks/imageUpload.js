import * as z from 'zod';
import { image } from '../images.js';
import { answeredAtOnce, taskKind, uuid } from '../parameters.js';

const shape = { taskType: z.literal('imageUpload'), taskUUID: uuid(), image: image(), ...answeredAtOnce() };
export const imageUpload = taskKind(shape, ({ taskType, taskUUID, image }) => ({ taskType, taskUUID, image }));
//# sourceMappingURL=imageUpload.js.map
