import type { Clock } from '../clock.ts';

/** Weight of an older result relative to the next. */
const fading = 0.9;
/** Assumed duration of a result before the first one. */
const unknownMs = 2_000;

/** Rate of results, over the last few. */
export class Pace {
  #results = 0;
  #ms = 0;
  #mark = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A run starts after an idle period. */
  begin(): void {
    this.#mark = this.#clock.now();
  }

  /** @param done - progress of a result, 0 to 1 */
  ended(done: number): void {
    const now = this.#clock.now();
    this.#results = this.#results * fading + done;
    this.#ms = this.#ms * fading + (now - this.#mark);
    this.#mark = now;
  }

  /** Estimated milliseconds until a number of results will have ended; from a tenth of a second to an hour. */
  msFor(results: number): number {
    const each = this.#results > 0.01 ? this.#ms / this.#results : unknownMs;
    return Math.min(Math.max(Math.ceil(results * each), 100), 3_600_000);
  }
}
