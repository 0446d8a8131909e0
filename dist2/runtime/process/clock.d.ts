/** The time that the supervisor reads and waits by. A test passes one that moves only when the test says so. */
export interface Clock {
  /** Milliseconds since some moment; never goes back. */
  now(): number;
  /** Calls `run` once, `ms` milliseconds from now. */
  after(
    ms: number,
    run: () => void,
  ): {
    cancel(): void;
  };
}
export declare const machineClock: Clock;
