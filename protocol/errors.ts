/**
 * Every error a client can meet, in one table. PROTOCOL.md carries the same rows; a test compares both.
 * Browsers import this file: no zod, no node modules.
 */

/** A row: the status of the HTTP twin, and the sentence sent when the place of failure has no better one. */
interface ErrorRow {
  status: number;
  message: string;
}

/**
 * The table. `missingParameter` and `invalidParameter` stand for families: where the parameter is known, its name
 * takes the place of the word, as in `missingPositivePrompt` or `invalidWidth`, because that is what clients look for.
 *
 * Names are chosen so that the official clients sort them rightly: by prefix (`invalid`, `missing`, `unsupported`,
 * `conflict`, `array`: the request is wrong) or by ending (`NotFound`, `Timeout`).
 */
export const errors = {
  invalidApiKey: { status: 401, message: 'Invalid API key.' },
  missingApiKey: { status: 401, message: 'No API key was sent; authenticate first.' },
  forbiddenOrigin: { status: 403, message: 'Pages of this origin may not use this server.' },
  invalidRequest: { status: 400, message: 'A request must be a JSON array of task objects.' },
  arrayTooLarge: { status: 400, message: 'The request holds too many tasks.' },
  payloadTooLarge: { status: 413, message: 'The request is larger than this server accepts.' },
  methodNotAllowed: { status: 405, message: 'Tasks are sent with POST, images are fetched with GET.' },
  unsupportedTaskType: { status: 400, message: 'This server does not know the task type.' },
  unsupportedParameter: { status: 400, message: 'This server does not support the parameter.' },
  missingParameter: { status: 400, message: 'A required parameter is missing.' },
  invalidParameter: { status: 400, message: 'A parameter has a value that is not allowed.' },
  conflictTaskUUID: { status: 400, message: 'The taskUUID already belongs to another task.' },
  modelNotFound: { status: 404, message: 'This server has no such model.' },
  modelUnavailable: { status: 422, message: 'The model is listed, but it cannot be loaded.' },
  unsupportedModel: { status: 400, message: 'The model has the wrong kind or architecture for this use.' },
  forbiddenMedia: { status: 403, message: 'The image belongs to another API key; only that key may delete it.' },
  mediaNotFound: { status: 404, message: 'There is no image with this UUID; it may have expired.' },
  downloadFailed: { status: 400, message: 'The image could not be fetched from its URL.' },
  taskNotFound: { status: 404, message: 'There is no task with this taskUUID; its results may have expired.' },
  taskCancelled: { status: 409, message: 'The task was cancelled before it finished.' },
  startTimeout: { status: 409, message: 'The task did not start before its deadline, so it was not run.' },
  rateLimitExceeded: { status: 429, message: 'Too many requests; try again in a moment.' },
  serviceUnavailable: { status: 503, message: 'The queue is full or the server is shutting down; try again later.' },
  storageFull: { status: 507, message: 'The disk has no room for more images.' },
  outOfMemory: { status: 507, message: 'The device has not enough memory for this image.' },
  inferenceError: { status: 500, message: 'The model failed while making this image.' },
  stageTimeout: { status: 504, message: 'A stage of the run took longer than this server allows.' },
  deviceLost: { status: 503, message: 'The device that computes was lost twice while making this image.' },
  runtimeLost: { status: 503, message: 'The runtime process stopped twice while making this image.' },
  internalServerError: { status: 500, message: 'Unhandled error in the server; its log has the details.' },
} satisfies Record<string, ErrorRow>;

/** A code with a row of its own. */
export type ListedErrorCode = keyof typeof errors;

/** Any code on the wire: a listed one, or a member of the two families, named after its parameter. */
export type ErrorCode = ListedErrorCode | `missing${string}` | `invalid${string}`;

/** What an error may say beyond its code. */
export interface ErrorDetails {
  /** A sentence for people; default: the one of the table. */
  message?: string | undefined;
  /** The parameter at fault, with its place in nested objects and arrays: `previews.every`, `lora[0].model`. */
  parameter?: string | undefined;
  /** The JSON type that the parameter should have: `integer`, `string`, … */
  type?: string | undefined;
  /** Where to read on. */
  documentation?: string | undefined;
  taskUUID?: string | undefined;
  taskType?: string | undefined;
  min?: number | undefined;
  /** A bigint where it is beyond 2⁵³. */
  max?: number | bigint | undefined;
  default?: string | number | boolean | undefined;
  /** What would have been accepted. */
  allowedValues?: readonly (string | number | boolean)[] | undefined;
  /** When it may go better, in milliseconds; over HTTP also as `Retry-After`. */
  retryAfterMs?: number | undefined;
  /** The error behind this one; for the log, never for the wire. */
  cause?: unknown;
}

/** An error as it stands in `errors` on the wire. */
export interface WireError extends Omit<ErrorDetails, 'cause' | 'message'> {
  code: ErrorCode;
  message: string;
}

/** An error that ends one task (or, on `authentication`, the attempt). */
export class TaskError extends Error {
  readonly code: ErrorCode;
  readonly details: Readonly<Omit<ErrorDetails, 'cause' | 'message'>>;

  constructor(code: ErrorCode, details: ErrorDetails = {}) {
    const { message, cause, ...rest } = details;
    super(message ?? rowOf(code).message, cause === undefined ? undefined : { cause });
    this.name = 'TaskError';
    this.code = code;
    this.details = rest;
  }

  get parameter(): string | undefined {
    return this.details.parameter;
  }

  get taskUUID(): string | undefined {
    return this.details.taskUUID;
  }

  get taskType(): string | undefined {
    return this.details.taskType;
  }

  /** The status of the HTTP twin. */
  get status(): number {
    return rowOf(this.code).status;
  }

  /** The same error, saying which task it ends; what it already says stays. */
  of(task: { taskUUID?: string | undefined; taskType?: string | undefined }): TaskError {
    return new TaskError(this.code, {
      ...this.details,
      message: this.message,
      cause: this.cause,
      taskUUID: this.taskUUID ?? task.taskUUID,
      taskType: this.taskType ?? task.taskType,
    });
  }

  toWire(): WireError {
    const wire: WireError = { code: this.code, message: this.message, ...present(this.details) };
    // JS and TS clients match a refused key by taskType and only without a taskUUID; with one they wait for a minute.
    if (wire.taskType === 'authentication') delete wire.taskUUID;
    return wire;
  }
}

/** The row of a code; members of the two families share the row of their family. */
export function rowOf(code: ErrorCode): ErrorRow {
  if (isListed(code)) return errors[code];
  return code.startsWith('missing') ? errors.missingParameter : errors.invalidParameter;
}

/** `invalid` and `width` make `invalidWidth`; a nested parameter is named by its outermost key. */
export function parameterCode(kind: 'missing' | 'invalid', parameter: string): ErrorCode {
  const name = /^[^.[]+/.exec(parameter)?.[0] ?? 'parameter';
  return `${kind}${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}

/** A frame with one error. A refused authentication also carries the singular `error`, which TS clients wait for. */
export interface ErrorFrame {
  errors: [WireError];
  error?: WireError;
}

/** An error as a socket sends it: always alone in its frame, because JS clients report the first error of a frame. */
export function toErrorFrame(error: TaskError): ErrorFrame {
  const wire = error.toWire();
  return wire.taskType === 'authentication' ? { errors: [wire], error: wire } : { errors: [wire] };
}

/** What the HTTP twin answers when a task failed. */
export interface HttpFailure {
  status: number;
  /** Plural for Runware's own clients, singular for the AI SDK's provider. Finished results of other tasks stay in. */
  body: { data?: readonly unknown[]; errors: WireError[]; error: WireError };
}

/** The failure of an HTTP request: the status of its first error, all of its errors, and what did succeed. */
export function toHttpFailure(failed: TaskError | readonly [TaskError, ...TaskError[]], data?: readonly unknown[]) {
  const all = failed instanceof TaskError ? ([failed] as const) : failed;
  const first = all[0];
  const failure: HttpFailure = {
    status: first.status,
    body: { errors: all.map((error) => error.toWire()), error: first.toWire() },
  };
  if (data !== undefined && data.length > 0) failure.body.data = data;
  return failure;
}

function isListed(code: string): code is ListedErrorCode {
  return Object.hasOwn(errors, code);
}

function present<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as T;
}
