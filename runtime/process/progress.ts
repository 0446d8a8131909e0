import type { RunEvent } from '../messages.ts';

type Stepped = Extract<RunEvent, { type: 'stepped' }>;

/** Milliseconds between two reports of a run without `progress`. */
export const UNTOLD_MS = 250;

/**
 * Selects the reported steps of one run. Each message wakes the parent on a core that computes the next step, so a run
 * whose client did not ask for every step reports only as many as supervision needs.
 */
export class Progress {
  private readonly isWanted: boolean;
  private readonly now: () => number;
  private toldAt = Number.NEGATIVE_INFINITY;
  private last: Stepped | undefined;

  /** @param isWanted - whether the client asked for every step */
  constructor(isWanted: boolean, now: () => number = () => performance.now()) {
    this.isWanted = isWanted;
    this.now = now;
  }

  /** The last step, if it was not reported. */
  get untold(): Stepped | undefined {
    return this.last;
  }

  /** Whether to report this step. */
  stepped(step: Stepped): boolean {
    this.last = step;
    if (!this.isWanted && this.now() - this.toldAt < UNTOLD_MS) return false;
    this.told();
    return true;
  }

  /** Another message reported the progress of the run. */
  told(): void {
    this.last = undefined;
    this.toldAt = this.now();
  }
}
