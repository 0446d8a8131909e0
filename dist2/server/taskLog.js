/**
 * Tells the end of a task in one line: whose it was, how it ended, and where its time went, in milliseconds. `queuedMs` is
 * the wait of its first result, the stages are summed over its results. `session` is the id of the session, or of the
 * HTTP request. `meter` is absent for a task that was refused before it was queued.
 */
export function logEnd(record, ms, session, log, meter) {
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
  if (state === 'finished') log.info(fields, 'A task is finished.');
  else if (state === 'cancelled') log.info(fields, 'A task was cancelled.');
  // Without the words of its error, which may repeat what the client wrote.
  else if (meter === undefined) log.info(fields, 'A task was refused.');
  else log.warn({ ...fields, reason: error?.message }, 'A task failed.');
}
function rounded(times) {
  return Object.fromEntries(Object.entries(times).map(([name, time]) => [name, Math.round(time)]));
}
//# sourceMappingURL=taskLog.js.map
