import { countRows, type GenerateRequest, type ModelTraits, type RowCounts } from '../../runtime/index.ts';
import type { Clock } from '../clock.ts';

/**
 * Cost of a row of each network, in rows of the denoiser for the same picture. From the arithmetic of Stable Diffusion
 * 1.5 at 512×512, similar for larger families; the shallow part is measured by `npm run bench:deep`.
 */
const costs: RowCounts = { denoiser: 1, shallow: 0.1, controlNet: 0.4, encoder: 1.4, decoder: 3, preview: 0.3 };

/** Rows × megapixels of a run: the work charged to its claimant. */
export function workOf(request: GenerateRequest, model: ModelTraits): number {
  const rows = countRows(request, model);
  let work = 0;
  for (const network of Object.keys(costs) as (keyof RowCounts)[]) work += rows[network] * costs[network];
  // A run without work still takes a turn.
  return Math.max(1, work) * ((request.width * request.height) / 1e6);
}

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
