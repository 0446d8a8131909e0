/** The time that the server reads and waits by. A test passes one that moves only when the test says so. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls `run` once, `ms` milliseconds from now. The timer does not keep the process alive. */
  after(ms: number, run: () => void): Timer;
  /** Calls `run` every `ms` milliseconds. The timer does not keep the process alive. */
  every(ms: number, run: () => void): Timer;
}
export interface Timer {
  /** Does nothing when the timer has fired or was cancelled before. */
  cancel(): void;
}
export declare const systemClock: Clock;
