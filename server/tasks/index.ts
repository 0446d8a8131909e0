/** The handlers of all task types, except authentication and ping, which concern a socket, not a session. */

import type { Task, TaskType } from '../../protocol/tasks/index.ts';
import type { Context } from '../context.ts';
import type { Caller } from '../lifecycle/caller.ts';
import { accountManagement } from './accountManagement.ts';
import { getResponse } from './getResponse.ts';
import { getTaskDetails } from './getTaskDetails.ts';
import { imageInference } from './imageInference.ts';
import { imageUpload } from './imageUpload.ts';
import { mediaStorage } from './mediaStorage.ts';
import { modelSearch } from './modelSearch.ts';
import { taskCancel } from './taskCancel.ts';
import { upscale } from './upscale.ts';

export type HandledTask = Exclude<Task, { taskType: 'authentication' | 'ping' }>;

/**
 * Answers one task through its caller and resolves when an HTTP request may end. Throws errors that occur before the
 * task has a record; the caller of this function sends them.
 */
export type Handler<T extends HandledTask> = (task: T, caller: Caller, context: Context) => Promise<void>;

export const handlers = {
  imageInference,
  upscale,
  imageUpscale: upscale,
  imageUpload,
  getResponse,
  taskCancel,
  modelSearch,
  mediaStorage,
  getTaskDetails,
  accountManagement,
} satisfies {
  [Type in Exclude<TaskType, 'authentication' | 'ping'>]: Handler<Extract<HandledTask, { taskType: Type }>>;
};

export async function handleTask(task: HandledTask, caller: Caller, context: Context): Promise<void> {
  // Each handler takes exactly the task of its name, which the compiler cannot infer from an index.
  const handler = handlers[task.taskType] as Handler<HandledTask>;
  await handler(task, caller, context);
}
