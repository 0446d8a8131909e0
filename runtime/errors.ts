/**
 * Why a run failed:
 * - `modelUnavailable`: the model's folder is missing, broken, or set aside after it brought the runtime down twice;
 * - `unsupportedParameter`: this model or pipeline cannot do what `parameter` asks;
 * - `invalidParameter`: the value of `parameter` is out of its range (a width that is no multiple of 8);
 * - `outOfMemory`: the device had no memory for a picture of this size, or for the model;
 * - `inferenceError`: a graph failed while running;
 * - `deviceLost`: the device that computes was lost (its driver was reset, say) twice under this run;
 * - `runtimeLost`: the runtime process died twice under this run, or is being closed;
 * - `stageTimeout`: a stage of the run outlived its deadline and the process was killed.
 */
export type RuntimeErrorCode =
  | 'modelUnavailable'
  | 'unsupportedParameter'
  | 'invalidParameter'
  | 'outOfMemory'
  | 'inferenceError'
  | 'deviceLost'
  | 'runtimeLost'
  | 'stageTimeout';

/** The error of `generate`, except for an abort. Messages never quote prompts. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
  readonly code: RuntimeErrorCode;
  /** The field of `GenerateRequest` at fault, for `unsupportedParameter` and `invalidParameter`. */
  readonly parameter?: string;
  /** Largest possible value of `parameter`, if known. */
  readonly max?: number;
  /** Milliseconds until a retry may succeed, if known. */
  readonly retryAfterMs?: number;

  constructor(
    code: RuntimeErrorCode,
    message: string,
    options: {
      parameter?: string | undefined;
      max?: number | undefined;
      retryAfterMs?: number | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    const { parameter, max, retryAfterMs } = options;
    this.code = code;
    if (parameter !== undefined) this.parameter = parameter;
    if (max !== undefined) this.max = max;
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs;
  }
}

/** An error as a message: class instances do not survive structured cloning. */
export interface RuntimeErrorMessage {
  code: RuntimeErrorCode;
  message: string;
  parameter?: string | undefined;
}

/** The message of any thrown value; one that is not a `RuntimeError` failed while a graph ran. */
export function toErrorMessage(error: unknown): RuntimeErrorMessage {
  if (error instanceof RuntimeError) return { code: error.code, message: error.message, parameter: error.parameter };
  return { code: 'inferenceError', message: error instanceof Error ? error.message : String(error) };
}

/** The inverse of `toErrorMessage`. */
export function fromErrorMessage(error: RuntimeErrorMessage): RuntimeError {
  return new RuntimeError(error.code, error.message, { parameter: error.parameter });
}
