import type { ErrorCode, WireError } from '../../protocol/errors.ts';
/** What can go wrong on this side of the socket; everything else is the server's own code. */
export type ClientErrorCode =
  /** The server could not be reached, and nothing asked to keep trying. */
  | 'connectionFailed'
  /** {@link Client.close} was called while the task was unfinished. */
  | 'connectionClosed'
  /** The task was cancelled, here or by another connection of the session. */
  | 'taskCancelled'
  /** A newer task of the same lane took its place. */
  | 'taskSuperseded'
  /** An image given as input could not be read. */
  | 'invalidImage';
/** The one error this client throws. Branch on {@link code}; the message is for people. */
export declare class LatentwireError extends Error {
  readonly name = 'LatentwireError';
  readonly code: ErrorCode | ClientErrorCode;
  /** The task parameter at fault, as written in the task: `width`, `positivePrompt`. */
  readonly parameter: string | undefined;
  /** What the parameter may be, where that is a list. */
  readonly allowed: readonly unknown[] | undefined;
  /** The range the parameter may have, where that is a range. */
  readonly min: number | undefined;
  readonly max: number | bigint | undefined;
  /** When it may go better, in milliseconds: where the queue is full, or a limit is reached. */
  readonly retryAfterMs: number | undefined;
  readonly taskUUID: string | undefined;
  readonly taskType: string | undefined;
  constructor(
    error: Omit<WireError, 'code'> & {
      code: ErrorCode | ClientErrorCode;
    },
    cause?: unknown,
  );
}
