/** Consecutive failed runs after which the process is replaced. */
const FAILURES_IN_A_ROW = 3;

/** Maximum number of failures between two replacements, if a new process does not help. */
const MOST_PATIENCE = 1_024;

/**
 * Detects that calls fail because of the process. With a lost device or too little memory every call fails, and only a
 * new process helps; a too large task or a wrongly exported graph fails in any process. So a process is replaced after
 * several consecutive failures without a success. If the last failed run fails in the next process too, the process was
 * not the cause, and the next replacement needs twice as many failures.
 */
export class Failures {
  private inARow = 0;
  private patience = FAILURES_IN_A_ROW;
  /** The run that is repeated in a new process. */
  private trial: number | undefined;

  /** A step or picture succeeded. */
  worked(run: number, finished: boolean): void {
    this.inARow = 0;
    if (!finished || run !== this.trial) return;
    this.trial = undefined;
    this.patience = FAILURES_IN_A_ROW;
  }

  /** A call failed for a run. True if the process must be replaced and the run repeated in the next one. */
  failed(run: number): boolean {
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

  /** A new process has no failures. */
  replaced(): void {
    this.inARow = 0;
  }
}
