import type { RunEvent } from '../messages.ts';

type Stepped = Extract<
  RunEvent,
  {
    type: 'stepped';
  }
>;
/** Milliseconds between two reports of a run whose client did not ask for every step. */
export declare const UNTOLD_MS = 250;
/**
 * Which steps of one run are reported. Each message wakes the parent on the cores that compute the next step, so a run whose
 * client did not ask for every step reports only as many as supervision and progress need.
 */
export declare class Progress {
  private readonly isWanted;
  private readonly now;
  private toldAt;
  private last;
  /** @param isWanted - whether the client asked for every step */
  constructor(isWanted: boolean, now?: () => number);
  /** The last step, where it was not told. */
  get untold(): Stepped | undefined;
  /** Whether to tell of this step. */
  stepped(step: Stepped): boolean;
  /** Something else was told that says how far the run is. */
  told(): void;
}
