/** Milliseconds between two reports of a run whose client did not ask for every step. */
export const UNTOLD_MS = 250;
/**
 * Which steps of one run are reported. Each message wakes the parent on the cores that compute the next step, so a run whose
 * client did not ask for every step reports only as many as supervision and progress need.
 */
export class Progress {
  isWanted;
  now;
  toldAt = Number.NEGATIVE_INFINITY;
  last;
  /** @param isWanted - whether the client asked for every step */
  constructor(isWanted, now = () => performance.now()) {
    this.isWanted = isWanted;
    this.now = now;
  }
  /** The last step, where it was not told. */
  get untold() {
    return this.last;
  }
  /** Whether to tell of this step. */
  stepped(step) {
    this.last = step;
    if (!this.isWanted && this.now() - this.toldAt < UNTOLD_MS) return false;
    this.told();
    return true;
  }
  /** Something else was told that says how far the run is. */
  told() {
    this.last = undefined;
    this.toldAt = this.now();
  }
}
//# sourceMappingURL=progress.js.map
