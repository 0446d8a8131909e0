/**
 * Runs work that Ctrl-C aborts in good order. A second Ctrl-C ends the program at once, as it would without this.
 *
 * @param said - what the program says when it was stopped so
 */
export async function interruptible(work, said) {
  const controller = new AbortController();
  const stop = (name) => {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
    controller.abort(Object.assign(new Error(said), { exitCode: name === 'SIGINT' ? 130 : 143 }));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    return await work(controller.signal);
  } catch (error) {
    // Whatever the abort broke, this is why.
    throw controller.signal.aborted ? controller.signal.reason : error;
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}
//# sourceMappingURL=interrupt.js.map
