/** The one error this client throws. Branch on {@link code}; the message is for people. */
export class LatentwireError extends Error {
  name = 'LatentwireError';
  code;
  /** The task parameter at fault, as written in the task: `width`, `positivePrompt`. */
  parameter;
  /** What the parameter may be, where that is a list. */
  allowed;
  /** The range the parameter may have, where that is a range. */
  min;
  max;
  /** When it may go better, in milliseconds: where the queue is full, or a limit is reached. */
  retryAfterMs;
  taskUUID;
  taskType;
  constructor(error, cause) {
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
//# sourceMappingURL=errors.js.map
