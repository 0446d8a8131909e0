import type { Stage } from '../messages.ts';
import type { Clock } from './clock.ts';
import type { Run } from './run.ts';
/**
 * How long the process may work on each run before something has to be heard of it. While it works on other runs, a run's
 * time stands still; when it does not tell what it works on, it may be any of them.
 */
export declare class Deadlines {
  /** By stage; for `loading` each component and for `denoising` each step has that long. */
  readonly ms: Readonly<Record<Stage, number>>;
  private readonly live;
  private readonly onLate;
  private readonly clock;
  /** Runs that the process said it works on; none: on nothing that it told of. */
  private working;
  /**
   * @param live - the runs under way, as they come and go
   * @param onLate - told of a run whose time is over, once for those that share its call; all of them are `timedOut` then
   */
  constructor(
    ms: Partial<Record<Stage, number>> | undefined,
    live: ReadonlyMap<number, Run>,
    onLate: (run: Run) => void,
    clock: Clock,
  );
  /** The process works on these runs until it says otherwise, or on nothing that it tells of. */
  workOn(runs: readonly number[]): void;
  /** As far as it told; when it told of none, it may be any of them. */
  isWorkedOn(run: Run): boolean;
  /** A run has come a step further, and has its time anew. */
  heardOf(run: Run): void;
  /** A run has ended, or waits again. */
  end(run: Run): void;
  /** Another process works on nothing yet. */
  reset(): void;
}
