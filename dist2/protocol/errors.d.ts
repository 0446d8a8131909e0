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
export declare const errors: {
  invalidApiKey: {
    status: number;
    message: string;
  };
  missingApiKey: {
    status: number;
    message: string;
  };
  forbiddenOrigin: {
    status: number;
    message: string;
  };
  invalidRequest: {
    status: number;
    message: string;
  };
  arrayTooLarge: {
    status: number;
    message: string;
  };
  payloadTooLarge: {
    status: number;
    message: string;
  };
  methodNotAllowed: {
    status: number;
    message: string;
  };
  unsupportedTaskType: {
    status: number;
    message: string;
  };
  unsupportedParameter: {
    status: number;
    message: string;
  };
  missingParameter: {
    status: number;
    message: string;
  };
  invalidParameter: {
    status: number;
    message: string;
  };
  conflictTaskUUID: {
    status: number;
    message: string;
  };
  modelNotFound: {
    status: number;
    message: string;
  };
  modelUnavailable: {
    status: number;
    message: string;
  };
  unsupportedModel: {
    status: number;
    message: string;
  };
  forbiddenMedia: {
    status: number;
    message: string;
  };
  mediaNotFound: {
    status: number;
    message: string;
  };
  downloadFailed: {
    status: number;
    message: string;
  };
  taskNotFound: {
    status: number;
    message: string;
  };
  taskCancelled: {
    status: number;
    message: string;
  };
  startTimeout: {
    status: number;
    message: string;
  };
  rateLimitExceeded: {
    status: number;
    message: string;
  };
  serviceUnavailable: {
    status: number;
    message: string;
  };
  storageFull: {
    status: number;
    message: string;
  };
  inferenceError: {
    status: number;
    message: string;
  };
  stageTimeout: {
    status: number;
    message: string;
  };
  runtimeLost: {
    status: number;
    message: string;
  };
  internalServerError: {
    status: number;
    message: string;
  };
};
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
export declare class TaskError extends Error {
  readonly code: ErrorCode;
  readonly details: Readonly<Omit<ErrorDetails, 'cause' | 'message'>>;
  constructor(code: ErrorCode, details?: ErrorDetails);
  get parameter(): string | undefined;
  get taskUUID(): string | undefined;
  get taskType(): string | undefined;
  /** The status of the HTTP twin. */
  get status(): number;
  /** The same error, saying which task it ends; what it already says stays. */
  of(task: { taskUUID?: string | undefined; taskType?: string | undefined }): TaskError;
  toWire(): WireError;
}
/** The row of a code; members of the two families share the row of their family. */
export declare function rowOf(code: ErrorCode): ErrorRow;
/** `invalid` and `width` make `invalidWidth`; a nested parameter is named by its outermost key. */
export declare function parameterCode(kind: 'missing' | 'invalid', parameter: string): ErrorCode;
/** A frame with one error. A refused authentication also carries the singular `error`, which TS clients wait for. */
export interface ErrorFrame {
  errors: [WireError];
  error?: WireError;
}
/** An error as a socket sends it: always alone in its frame, because JS clients report the first error of a frame. */
export declare function toErrorFrame(error: TaskError): ErrorFrame;
/** What the HTTP twin answers when a task failed. */
export interface HttpFailure {
  status: number;
  /** Plural for Runware's own clients, singular for the AI SDK's provider. Finished results of other tasks stay in. */
  body: {
    data?: readonly unknown[];
    errors: WireError[];
    error: WireError;
  };
}
/** The failure of an HTTP request: the status of its first error, all of its errors, and what did succeed. */
export declare function toHttpFailure(
  failed: TaskError | readonly [TaskError, ...TaskError[]],
  data?: readonly unknown[],
): HttpFailure;
