/**
 * Whether calls fail because of the process that makes them. A device whose context is lost, or a process without memory,
 * fails every call from then on, and only another process mends it; a task that asks too much, or a graph that was exported
 * wrong, fails in any process. So a process is replaced when several runs have failed in a row and nothing has worked
 * between them. If the last of them fails in the next one too, it was not the process, and it takes twice as many failures
 * to try that again.
 */
export declare class Failures {
  private inARow;
  private patience;
  /** The run that is tried again in a fresh process. */
  private trial;
  /** A step was taken or a picture drawn. */
  worked(run: number, finished: boolean): void;
  /** A call failed for a run; true when the process is to be replaced, and the run to be tried in the next one. */
  failed(run: number): boolean;
  /** Another process: it has failed nothing yet. */
  replaced(): void;
}
