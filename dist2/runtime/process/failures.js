/** Runs that fail in a row, after which the process is no longer trusted. */
const FAILURES_IN_A_ROW = 3;
/** Where a fresh process helps nothing, so many failures in a row lie between two of them at most. */
const MOST_PATIENCE = 1_024;
/**
 * Whether calls fail because of the process that makes them. A device whose context is lost, or a process without memory,
 * fails every call from then on, and only another process mends it; a task that asks too much, or a graph that was exported
 * wrong, fails in any process. So a process is replaced when several runs have failed in a row and nothing has worked
 * between them. If the last of them fails in the next one too, it was not the process, and it takes twice as many failures
 * to try that again.
 */
export class Failures {
  inARow = 0;
  patience = FAILURES_IN_A_ROW;
  /** The run that is tried again in a fresh process. */
  trial;
  /** A step was taken or a picture drawn. */
  worked(run, finished) {
    this.inARow = 0;
    if (!finished || run !== this.trial) return;
    this.trial = undefined;
    this.patience = FAILURES_IN_A_ROW;
  }
  /** A call failed for a run; true when the process is to be replaced, and the run to be tried in the next one. */
  failed(run) {
    if (run === this.trial) {
      this.trial = undefined;
      this.patience = Math.min(this.patience * 2, MOST_PATIENCE);
      return false;
    }
    if (++this.inARow < this.patience) return false;
    this.inARow = 0;
    this.trial = run;
    return true;
  }
  /** Another process: it has failed nothing yet. */
  replaced() {
    this.inARow = 0;
  }
}
//# sourceMappingURL=failures.js.map
