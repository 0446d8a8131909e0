/**
 * All errors for clients. PROTOCOL.md has the same rows; a test compares them. Browsers import this file: no zod, no
 * node modules.
 */

/** A row: the HTTP status, and the default message. */
interface ErrorRow {
  status: number;
  message: string;
}

/**
 * The table. `missingParameter` and `invalidParameter` are families: the name of a parameter replaces the last word, as
 * in `missingPositivePrompt` or `invalidWidth`, because clients look for that.
 *
 * Official clients classify codes by prefix (`invalid`, `missing`, `unsupported`, `conflict`, `array`: the request is
 * wrong) or by ending (`NotFound`, `Timeout`).
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
  downloadFailed: { status: 400, message: 'The server could not download the image from its URL.' },
  taskNotFound: { status: 404, message: 'There is no task with this taskUUID; its results may have expired.' },
  taskCancelled: { status: 409, message: 'The task was cancelled before it finished.' },
  startTimeout: { status: 409, message: 'The task did not start before its deadline, so it was not run.' },
  rateLimitExceeded: { status: 429, message: 'Too many requests; try again in a moment.' },
  serviceUnavailable: { status: 503, message: 'The queue is full or the server is shutting down; try again later.' },
  storageFull: { status: 507, message: 'The disk has no space for more images.' },
  outOfMemory: { status: 507, message: 'The device has too little memory for this image.' },
  inferenceError: { status: 500, message: 'The model failed during this run.' },
  stageTimeout: { status: 504, message: 'A stage of the run took longer than its time limit.' },
  deviceLost: { status: 503, message: 'The device was lost twice during this run.' },
  runtimeLost: { status: 503, message: 'The runtime process stopped twice during this run.' },
  internalServerError: { status: 500, message: 'Unhandled error in the server; its log has the details.' },
} satisfies Record<string, ErrorRow>;

/** A code with a separate row. */
export type ListedErrorCode = keyof typeof errors;

/** Any code: a listed one, or a member of the two families, named after its parameter. */
export type ErrorCode = ListedErrorCode | `missing${string}` | `invalid${string}`;

/** The details of an error. */
export interface ErrorDetails {
  /** A sentence for people; default: that of the table. */
  message?: string | undefined;
  /** The parameter at fault, with its path in objects and arrays: `previews.every`, `lora[0].model`. */
  parameter?: string | undefined;
  /** The expected JSON type: `integer`, `string`, … */
  type?: string | undefined;
  /** URL of documentation. */
  documentation?: string | undefined;
  taskUUID?: string | undefined;
  taskType?: string | undefined;
  min?: number | undefined;
  /** A bigint above 2⁵³. */
  max?: number | bigint | undefined;
  default?: string | number | boolean | undefined;
  /** The allowed values. */
  allowedValues?: readonly (string | number | boolean)[] | undefined;
  /** Milliseconds until a retry may succeed; over HTTP also as `Retry-After`. */
  retryAfterMs?: number | undefined;
  /** The cause, for the log only. */
  cause?: unknown;
}

/** An item of `errors`. */
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

  /** The HTTP status. */
  get status(): number {
    return rowOf(this.code).status;
  }

  /** The same error with the task that it ends; existing fields stay. */
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
    // JS and TS clients recognise a refused key by taskType and only without a taskUUID; with one they wait for a
    // minute.
    if (wire.taskType === 'authentication') delete wire.taskUUID;
    return wire;
  }
}

/** The row of a code; members of a family share its row. */
export function rowOf(code: ErrorCode): ErrorRow {
  if (isListed(code)) return errors[code];
  return code.startsWith('missing') ? errors.missingParameter : errors.invalidParameter;
}

/** `invalid` and `width` give `invalidWidth`; a nested parameter has the name of its outermost key. */
export function parameterCode(kind: 'missing' | 'invalid', parameter: string): ErrorCode {
  const name = /^[^.[]+/.exec(parameter)?.[0] ?? 'parameter';
  return `${kind}${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}

/** A frame with one error. A refused authentication also has the key `error`, which TS clients wait for. */
export interface ErrorFrame {
  errors: [WireError];
  error?: WireError;
}

/** An error on a socket: always alone in its frame, because JS clients report only the first error of a frame. */
export function toErrorFrame(error: TaskError): ErrorFrame {
  const wire = error.toWire();
  return wire.taskType === 'authentication' ? { errors: [wire], error: wire } : { errors: [wire] };
}

/** The HTTP reply of a failed task. */
export interface HttpFailure {
  status: number;
  /** `errors` for Runware's clients, `error` for the AI SDK's provider. Results of other tasks stay. */
  body: { data?: readonly unknown[]; errors: WireError[]; error: WireError };
}

/** A failed HTTP request: the status of its first error, all errors, and the results that succeeded. */
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
