/** Which weights are being loaded, for the status, and in the log when they begin and end. */
export class LoadingLog {
  log;
  /** What a run is loading, and since when. */
  current;
  constructor(log) {
    this.log = log;
  }
  status() {
    if (!this.current) return undefined;
    const { model, component, doneBytes, ofBytes } = this.current;
    return { model, component, doneBytes, ofBytes };
  }
  on(run, { component, doneBytes, ofBytes }) {
    const { model } = run.request;
    let begunAt = this.current?.run === run.id ? this.current.begunAt : undefined;
    if (begunAt === undefined) {
      begunAt = performance.now();
      this.log('info', 'Weights are being loaded.', { model, component, ofBytes });
    }
    this.current = { model, component, doneBytes, ofBytes, run: run.id, begunAt };
  }
  /** Nothing to do where the run was loading nothing. */
  end(run, how) {
    const { current } = this;
    if (current?.run !== run.id) return;
    this.current = undefined;
    const { model, component, doneBytes, ofBytes, begunAt } = current;
    const loadingMs = Math.round(performance.now() - begunAt);
    if (how === 'done') this.log('info', 'Weights were loaded.', { model, bytes: ofBytes, loadingMs });
    else this.log('info', 'Loading weights was broken off.', { model, component, doneBytes, ofBytes, loadingMs });
  }
}
//# sourceMappingURL=loadingLog.js.map
