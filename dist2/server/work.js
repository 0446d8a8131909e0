import { countRows } from '../runtime/index.js';

/**
 * What a row of each network costs, in rows of the denoiser over the same picture. By the arithmetic of Stable Diffusion 1.5
 * at 512×512, which the larger families are near; the shallow part as `npm run bench:deep` measured it.
 */
const costs = { denoiser: 1, shallow: 0.1, controlNet: 0.4, encoder: 1.4, decoder: 3, preview: 0.3 };
/** Rows of networks × megapixels that a run takes: what its claimant is charged. */
export function workOf(request, model) {
  const rows = countRows(request, model);
  let work = 0;
  for (const network of Object.keys(costs)) work += rows[network] * costs[network];
  // A run of nothing takes its turn all the same.
  return Math.max(1, work) * ((request.width * request.height) / 1e6);
}
/** How old results count less, from one to the next. */
const fading = 0.9;
/** What a result is taken to last before one was seen. */
const unknownMs = 2_000;
/** How fast results are made, over the last few. */
export class Pace {
  #results = 0;
  #ms = 0;
  #mark = 0;
  #clock;
  constructor(clock) {
    this.#clock = clock;
  }
  /** After nothing ran, something does. */
  begin() {
    this.#mark = this.#clock.now();
  }
  /** @param done - how much of a result a run has made, 0 to 1 */
  ended(done) {
    const now = this.#clock.now();
    this.#results = this.#results * fading + done;
    this.#ms = this.#ms * fading + (now - this.#mark);
    this.#mark = now;
  }
  /** Milliseconds until so many results will have ended, were they begun now; at least a tenth of a second, at most an hour. */
  msFor(results) {
    const each = this.#results > 0.01 ? this.#ms / this.#results : unknownMs;
    return Math.min(Math.max(Math.ceil(results * each), 100), 3_600_000);
  }
}
//# sourceMappingURL=work.js.map
