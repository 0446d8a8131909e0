/**
 * Runs work that Ctrl-C aborts by a signal. A second Ctrl-C ends the program at once.
 *
 * @param said - the message after an interruption
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>, said: string): Promise<T> {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals) => {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    controller.abort(Object.assign(new Error(said), { exitCode: name === 'SIGINT' ? 130 : 143 }));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    return await work(controller.signal);
  } catch (error) {
    // An error after the abort is its consequence.
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}
