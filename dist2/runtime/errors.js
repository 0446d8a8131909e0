/** What `generate` throws when a run fails for any reason but an abort. Messages never quote prompts. */
export class RuntimeError extends Error {
  name = 'RuntimeError';
  code;
  /** The field of `GenerateRequest` at fault, for `unsupportedParameter` and `invalidParameter`. */
  parameter;
  /** The largest value of `parameter` that would do, where that is known. */
  max;
  /** Milliseconds until it may go better, where that is known. */
  retryAfterMs;
  constructor(code, message, options = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    const { parameter, max, retryAfterMs } = options;
    this.code = code;
    if (parameter !== undefined) this.parameter = parameter;
    if (max !== undefined) this.max = max;
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs;
  }
}
/** The message of any thrown value; what is not a `RuntimeError` failed while a graph was running. */
export function toErrorMessage(error) {
  if (error instanceof RuntimeError) return { code: error.code, message: error.message, parameter: error.parameter };
  return { code: 'inferenceError', message: error instanceof Error ? error.message : String(error) };
}
/** The inverse of `toErrorMessage`, on the other side of the border. */
export function fromErrorMessage(error) {
  return new RuntimeError(error.code, error.message, { parameter: error.parameter });
}
//# sourceMappingURL=errors.js.map
