/** The task types of this server, and the one place where a task is parsed. */

import type * as z from 'zod';
import { TaskError } from '../errors.ts';
import { parseJson, StructureScan } from '../json.ts';
import { present, type TaskKind, toTaskError } from '../parameters.ts';
import type { MayWarn } from '../replies.ts';
import { warningsOf } from '../warnings.ts';
import { accountManagement } from './accountManagement.ts';
import { authentication } from './authentication.ts';
import { getResponse } from './getResponse.ts';
import { getTaskDetails } from './getTaskDetails.ts';
import { imageInference } from './imageInference.ts';
import { imageUpload } from './imageUpload.ts';
import { mediaStorage } from './mediaStorage.ts';
import { modelSearch } from './modelSearch.ts';
import { ping } from './ping.ts';
import { taskCancel } from './taskCancel.ts';
import { imageUpscale, upscale } from './upscale.ts';

/** Every task type by its name on the wire. */
export const tasks = {
  authentication,
  ping,
  imageInference,
  upscale,
  imageUpscale,
  imageUpload,
  getResponse,
  taskCancel,
  modelSearch,
  mediaStorage,
  getTaskDetails,
  accountManagement,
} satisfies Record<string, TaskKind>;

/** A name of `tasks`. */
export type TaskType = keyof typeof tasks;

/** A parsed task, told apart by `taskType`. */
export type Task = z.output<(typeof tasks)[TaskType]['schema']> & MayWarn;

/** Most tasks of one request; official clients send one. */
export const MAX_TASKS_PER_REQUEST = 100;

/** Values (numbers, strings, objects, …) of one request, and how deep they may be nested: far beyond what any task needs. */
export const MAX_VALUES_PER_REQUEST = 20_000;
export const MAX_REQUEST_DEPTH = 32;

/** Looks at the text of a request while it arrives; call it with each piece. Throws `payloadTooLarge` beyond a limit. */
export function scanRequest(): (piece: Uint8Array) => void {
  const scan = new StructureScan({ maxValues: MAX_VALUES_PER_REQUEST, maxDepth: MAX_REQUEST_DEPTH });
  return (piece) => {
    if (!scan.exceeds(piece)) return;
    throw new TaskError('payloadTooLarge', {
      message: `A request may have ${MAX_VALUES_PER_REQUEST} values, nested ${MAX_REQUEST_DEPTH} deep.`,
      max: MAX_VALUES_PER_REQUEST,
    });
  };
}

/** The task objects of a request, not yet parsed, so that a bad one does not spoil its neighbours. */
export function parseRequest(text: string): unknown[] {
  let request: unknown;
  try {
    request = parseJson(text);
  } catch (cause) {
    throw new TaskError('invalidRequest', { message: 'The request is not JSON.', cause });
  }
  // One bare object is what people type first; there is nothing else it could mean.
  if (typeof request === 'object' && request !== null && !Array.isArray(request)) return [request];
  if (!Array.isArray(request)) throw new TaskError('invalidRequest');
  if (request.length > MAX_TASKS_PER_REQUEST) throw new TaskError('arrayTooLarge', { max: MAX_TASKS_PER_REQUEST });
  return request;
}

/**
 * Turns a value from outside into a task. Past this point its type can be trusted.
 *
 * Throws a TaskError and nothing else; it carries the taskUUID and taskType wherever the value had them, because
 * clients wait for an error of their own task and take one without taskUUID as the end of all of them.
 */
export function parseTask(value: unknown): Task {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TaskError('invalidRequest', { message: 'A task is a JSON object.' });
  }
  const raw = present(value) as Record<string, unknown>;
  const { taskType, taskUUID } = raw;
  const of = { taskUUID: echo(taskUUID), taskType: echo(taskType) };
  const allowedValues = Object.keys(tasks);
  if (typeof taskType !== 'string') {
    const code = taskType === undefined ? 'missingTaskType' : 'invalidTaskType';
    const message = `\`taskType\` must be one of ${allowedValues.join(', ')}.`;
    throw new TaskError(code, { message, parameter: 'taskType', type: 'string', allowedValues, ...of });
  }
  if (!isTaskType(taskType)) {
    const message = `Unknown task type. This server has: ${allowedValues.join(', ')}.`;
    throw new TaskError('unsupportedTaskType', { message, parameter: 'taskType', allowedValues, ...of });
  }
  const kind: TaskKind<Task> = tasks[taskType];
  const parsed = kind.schema.safeParse(raw);
  if (parsed.success) {
    // A pong says nothing but itself: official clients send `ping` with keys of their own.
    const warnings = taskType === 'ping' ? [] : warningsOf(kind.shape, raw);
    return warnings.length === 0 ? parsed.data : { ...parsed.data, warnings };
  }
  throw toTaskError(kind.shape, parsed.error, raw).of(of);
}

function isTaskType(name: string): name is TaskType {
  return Object.hasOwn(tasks, name);
}

/** What an error repeats of a task that may be anything: short strings only. */
function echo(value: unknown): string | undefined {
  return typeof value === 'string' && value.length <= 128 ? value : undefined;
}
