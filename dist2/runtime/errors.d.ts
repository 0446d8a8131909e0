/**
 * Why a run failed:
 * - `modelUnavailable`: the model's folder is missing, broken, or set aside after it brought the runtime down twice;
 * - `unsupportedParameter`: this model or pipeline cannot do what `parameter` asks;
 * - `invalidParameter`: the value of `parameter` is out of its range (a width that is no multiple of 8);
 * - `inferenceError`: a graph failed while running;
 * - `runtimeLost`: the runtime process died twice under this run, or is being closed;
 * - `stageTimeout`: a stage of the run outlived its deadline and the process was killed.
 */
export type RuntimeErrorCode =
  | 'modelUnavailable'
  | 'unsupportedParameter'
  | 'invalidParameter'
  | 'inferenceError'
  | 'runtimeLost'
  | 'stageTimeout';
/** What `generate` throws when a run fails for any reason but an abort. Messages never quote prompts. */
export declare class RuntimeError extends Error {
  readonly name = 'RuntimeError';
  readonly code: RuntimeErrorCode;
  /** The field of `GenerateRequest` at fault, for `unsupportedParameter` and `invalidParameter`. */
  readonly parameter?: string;
  /** The largest value of `parameter` that would do, where that is known. */
  readonly max?: number;
  /** Milliseconds until it may go better, where that is known. */
  readonly retryAfterMs?: number;
  constructor(
    code: RuntimeErrorCode,
    message: string,
    options?: {
      parameter?: string | undefined;
      max?: number | undefined;
      retryAfterMs?: number | undefined;
      cause?: unknown;
    },
  );
}
/** An error as it crosses the process border: class instances do not survive structured cloning. */
export interface RuntimeErrorMessage {
  code: RuntimeErrorCode;
  message: string;
  parameter?: string | undefined;
}
/** The message of any thrown value; what is not a `RuntimeError` failed while a graph was running. */
export declare function toErrorMessage(error: unknown): RuntimeErrorMessage;
/** The inverse of `toErrorMessage`, on the other side of the border. */
export declare function fromErrorMessage(error: RuntimeErrorMessage): RuntimeError;
