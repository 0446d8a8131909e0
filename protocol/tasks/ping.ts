import * as z from 'zod';
import { taskKind } from '../parameters.ts';

/** Asks for a pong. It has no taskUUID. */
export interface PingTask {
  taskType: 'ping';
}

export const ping = taskKind({ taskType: z.literal('ping') }, (task): PingTask => task);
