import * as z from 'zod';
import { answeredAtOnce, taskKind, uuid } from '../parameters.ts';

/** Asks what a task asked for, and how it was answered. */
export interface GetTaskDetailsTask {
  taskType: 'getTaskDetails';
  /** Of the task asked about. */
  taskUUID: string;
}

const shape = { taskType: z.literal('getTaskDetails'), taskUUID: uuid(), ...answeredAtOnce() };

export const getTaskDetails = taskKind(shape, ({ taskType, taskUUID }): GetTaskDetailsTask => ({ taskType, taskUUID }));
