import { TaskError } from '../protocol/errors.ts';
import type { Logger } from './log.ts';

/** The error to send for anything thrown. What nobody foresaw is logged in full and sent without its words. */
export function toTaskError(error: unknown, { log }: { log: Logger }): TaskError {
  if (error instanceof TaskError) return error;
  log.error({ err: error }, 'A task failed in a way nobody foresaw.');
  return new TaskError('internalServerError', { cause: error });
}
