import type { ErrorCode, WireError } from '../../protocol/errors.ts';

/** Error codes of the client; all others are the server's. */
export type ClientErrorCode =
  /** The server could not be reached, and `retry` was not requested. */
  | 'connectionFailed'
  /** {@link Client.close} was called while the task was unfinished. */
  | 'connectionClosed'
  /** The task was cancelled, here or by another connection of the session. */
  | 'taskCancelled'
  /** A newer task of the same lane took its place. */
  | 'taskSuperseded'
  /** An input image could not be read. */
  | 'invalidImage';

/** The error of this client. Use {@link code}; the message is for people. */
export class LatentwireError extends Error {
  override readonly name = 'LatentwireError';
  readonly code: ErrorCode | ClientErrorCode;
  /** The parameter at fault, as in the task: `width`, `positivePrompt`. */
  readonly parameter: string | undefined;
  /** The allowed values, if they are a list. */
  readonly allowed: readonly unknown[] | undefined;
  /** The allowed range, if there is one. */
  readonly min: number | undefined;
  readonly max: number | bigint | undefined;
  /** Milliseconds until a retry may succeed: if the queue is full, or a limit is reached. */
  readonly retryAfterMs: number | undefined;
  readonly taskUUID: string | undefined;
  readonly taskType: string | undefined;

  constructor(error: Omit<WireError, 'code'> & { code: ErrorCode | ClientErrorCode }, cause?: unknown) {
    super(error.message, cause === undefined ? undefined : { cause });
    this.code = error.code;
    this.parameter = error.parameter;
    this.allowed = error.allowedValues;
    this.min = error.min;
    this.max = error.max;
    this.retryAfterMs = error.retryAfterMs;
    this.taskUUID = error.taskUUID;
    this.taskType = error.taskType;
  }
}
