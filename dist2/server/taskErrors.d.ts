import { TaskError } from '../protocol/errors.ts';
import type { Logger } from './log.ts';
/** The error to send for anything thrown. An unknown error is logged in full and sent without its words. */
export declare function toTaskError(
  error: unknown,
  {
    log,
  }: {
    log: Logger;
  },
): TaskError;
