import type { Logger } from '../log.ts';
import type { TaskMeter } from './meter.ts';
import type { TaskRecord } from './records.ts';

/**
 * Logs the end of a task in one line: session, outcome, and times in milliseconds. `queuedMs` is the wait of its first
 * result; stages are summed over its results. `session` is the id of the session or HTTP request. `meter` is absent for
 * a task refused before it was queued.
 */
export function logEnd(record: TaskRecord, ms: number, session: string, log: Logger, meter?: TaskMeter): void {
  const { taskUUID, state, error, cancelReason } = record;
  const fields = {
    taskUUID,
    session,
    ...(error && { code: error.code }),
    ...(state === 'cancelled' && { reason: cancelReason }),
    ...(meter && { model: meter.model, results: record.results.filter((result) => result !== undefined).length }),
    ms,
    ...(meter?.queuedMs !== undefined && rounded({ queuedMs: meter.queuedMs, ...meter.stages })),
  };
  if (state === 'finished') log.info(fields, 'A task finished.');
  else if (state === 'cancelled') log.info(fields, 'A task was cancelled.');
  // Without the error message, which may repeat words of the client.
  else if (meter === undefined) log.info(fields, 'A task was refused.');
  else log.warn({ ...fields, reason: error?.message }, 'A task failed.');
}

function rounded(times: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(times).map(([name, time]) => [name, Math.round(time)]));
}
