import * as z from 'zod';
import { taskKind, uuid } from '../parameters.ts';

/** Asks how a task stands. */
export interface GetResponseTask {
  taskType: 'getResponse';
  /** Of the task asked about. */
  taskUUID: string;
}

const shape = { taskType: z.literal('getResponse'), taskUUID: uuid() };

export const getResponse = taskKind(shape, (task): GetResponseTask => task);
