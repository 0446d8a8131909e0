/** What the server does for each task type. Authentication and ping are not here: they concern a socket, not a session. */
import type { Task } from '../../protocol/tasks/index.ts';
import type { Caller } from '../caller.ts';
import type { Context } from '../context.ts';
import { accountManagement } from './accountManagement.ts';
import { getResponse } from './getResponse.ts';
import { getTaskDetails } from './getTaskDetails.ts';
import { imageInference } from './imageInference.ts';
import { imageUpload } from './imageUpload.ts';
import { mediaStorage } from './mediaStorage.ts';
import { modelSearch } from './modelSearch.ts';
import { taskCancel } from './taskCancel.ts';
export type HandledTask = Exclude<
  Task,
  {
    taskType: 'authentication' | 'ping';
  }
>;
/**
 * Answers one task through its caller and settles when an HTTP request may end. Throws what ends the task before it has
 * a record of its own; whoever called tells the caller.
 */
export type Handler<T extends HandledTask> = (task: T, caller: Caller, context: Context) => Promise<void>;
export declare const handlers: {
  imageInference: typeof imageInference;
  imageUpload: typeof imageUpload;
  getResponse: typeof getResponse;
  taskCancel: typeof taskCancel;
  modelSearch: typeof modelSearch;
  mediaStorage: typeof mediaStorage;
  getTaskDetails: typeof getTaskDetails;
  accountManagement: typeof accountManagement;
};
export declare function handleTask(task: HandledTask, caller: Caller, context: Context): Promise<void>;
