import type { Clock } from './clock.ts';
import type { MemoryBudget } from './memoryBudget.ts';
import type { Run } from './run.ts';
import type { RuntimeProcess } from './runtimeProcess.ts';

/** Limits of runs of loaded models that may overtake a run that needs another process. */
const MOST_PASSES = 8;
const PASSING_MS = 10_000;

/**
 * After a run, the process waits for another run of its models while one waits that needs another process: for this
 * fraction of the last switching time, up to a maximum. Otherwise two users with two models, each sending the next task
 * after the last one, would switch processes for every task.
 */
const LINGER_SHARE = 0.1;
const MOST_LINGER_MS = 1_000;

/** What is done next about the runs that wait. */
export type Turn =
  /** This run is given to the process; another than the first passes it. */
  | { does: 'give'; run: Run }
  /** Nothing, until a run ends. */
  | { does: 'wait' }
  /** Nothing, until another run comes or so many milliseconds are over. */
  | { does: 'linger'; ms: number }
  /** The process makes room for one that takes the first run. */
  | { does: 'replace' };

/** Whose turn it is at a process that takes runs. */
export class Turns {
  /** Duration of the last start in milliseconds, including loading for the first run. */
  changeMs = 0;
  /** Time when the process last ended a run. */
  lastEndAt = 0;
  private readonly budget: MemoryBudget;
  private readonly clock: Clock;

  constructor(budget: MemoryBudget, clock: Clock) {
    this.budget = budget;
    this.clock = clock;
  }

  /** @param waiting - the first of them was weighed */
  next(child: RuntimeProcess, waiting: readonly [Run, ...Run[]], live: ReadonlyMap<number, Run>): Turn {
    const [first] = waiting;
    const fits = (run: Run) => this.budget.fits(child, run, live.values());
    if (fits(first)) return { does: 'give', run: first };
    first.heldUpAt ??= this.clock.now();
    const heldUpMs = this.clock.now() - first.heldUpAt;
    const passing = first.passes < MOST_PASSES && heldUpMs < PASSING_MS;
    const other = passing && waiting.find((run) => run.deaths === 0 && this.budget.isWeighed(run) && fits(run));
    if (other) return { does: 'give', run: other };
    if (live.size > 0) return { does: 'wait' };
    const ms = Math.min(this.changeMs * LINGER_SHARE, MOST_LINGER_MS) - (this.clock.now() - this.lastEndAt);
    return passing && child.finished > 0 && ms > 0 ? { does: 'linger', ms } : { does: 'replace' };
  }
}
