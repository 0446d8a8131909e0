/** The task types of this server, and the one place where a task is parsed. */
import type * as z from 'zod';
import { type TaskKind } from '../parameters.ts';
import type { MayWarn } from '../replies.ts';
/** Every task type by its name on the wire. */
export declare const tasks: {
  authentication: TaskKind<import('./authentication.ts').AuthenticationTask>;
  ping: TaskKind<import('./ping.ts').PingTask>;
  imageInference: TaskKind<import('./imageInference.ts').ImageInferenceTask>;
  imageUpload: TaskKind<import('./imageUpload.ts').ImageUploadTask>;
  getResponse: TaskKind<import('./getResponse.ts').GetResponseTask>;
  taskCancel: TaskKind<import('./taskCancel.ts').TaskCancelTask>;
  modelSearch: TaskKind<import('./modelSearch.ts').ModelSearchTask>;
  mediaStorage: TaskKind<import('./mediaStorage.ts').MediaStorageTask>;
  getTaskDetails: TaskKind<import('./getTaskDetails.ts').GetTaskDetailsTask>;
  accountManagement: TaskKind<import('./accountManagement.ts').AccountManagementTask>;
};
/** A name of `tasks`. */
export type TaskType = keyof typeof tasks;
/** A parsed task, told apart by `taskType`. */
export type Task = z.output<(typeof tasks)[TaskType]['schema']> & MayWarn;
/** Most tasks of one request; official clients send one. */
export declare const MAX_TASKS_PER_REQUEST = 100;
/** Values (numbers, strings, objects, …) of one request, and how deep they may be nested: far beyond what any task needs. */
export declare const MAX_VALUES_PER_REQUEST = 20000;
export declare const MAX_REQUEST_DEPTH = 32;
/** Looks at the text of a request while it arrives; call it with each piece. Throws `payloadTooLarge` beyond a limit. */
export declare function scanRequest(): (piece: Uint8Array) => void;
/** The task objects of a request, not yet parsed, so that a bad one does not spoil its neighbours. */
export declare function parseRequest(text: string): unknown[];
/**
 * Turns a value from outside into a task. Past this point its type can be trusted.
 *
 * Throws a TaskError and nothing else; it carries the taskUUID and taskType wherever the value had them, because
 * clients wait for an error of their own task and take one without taskUUID as the end of all of them.
 */
export declare function parseTask(value: unknown): Task;
