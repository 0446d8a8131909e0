import type { Logger } from './log.ts';
import type { TaskMeter } from './taskMeter.ts';
import type { TaskRecord } from './taskRecords.ts';
/**
 * Tells the end of a task in one line: whose it was, how it ended, and where its time went, in milliseconds. `queuedMs` is
 * the wait of its first result, the stages are summed over its results. `session` is the id of the session, or of the
 * HTTP request. `meter` is absent for a task that was refused before it was queued.
 */
export declare function logEnd(record: TaskRecord, ms: number, session: string, log: Logger, meter?: TaskMeter): void;
