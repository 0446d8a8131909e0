import * as z from 'zod';
import { described, taskKind, UUID, uuid } from '../parameters.ts';

/** Stops tasks, queued or running, within one step: those that were sent with the same API key. */
export interface TaskCancelTask {
  taskType: 'taskCancel';
  /** Of this task itself. */
  taskUUID: string;
  /** taskUUIDs to stop. */
  tasks: string[];
}

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

export const taskCancel = taskKind(shape, (task): TaskCancelTask => task);
