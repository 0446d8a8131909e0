import type { GenerateRequest } from '../runtime/index.ts';

/** How much denoising a run is: steps × megapixels × branches of the UNet that guidance needs. */
export function workOf({ steps, width, height, guidanceScale, imageGuidanceScale, image }: GenerateRequest): number {
  const run = image === undefined ? steps : Math.floor(steps * image.strength);
  const branches = imageGuidanceScale !== undefined ? 3 : guidanceScale > 1 ? 2 : 1;
  return Math.max(1, run) * ((width * height) / 1e6) * branches;
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

  /** After nothing ran, something does. */
  begin(): void {
    this.#mark = performance.now();
  }

  /** @param done - how much of a result a run has made, 0 to 1 */
  ended(done: number): void {
    const now = performance.now();
    this.#results = this.#results * fading + done;
    this.#ms = this.#ms * fading + (now - this.#mark);
    this.#mark = now;
  }

  /** Milliseconds until so many results will have ended, were they begun now; at least a tenth of a second, at most an hour. */
  msFor(results: number): number {
    const each = this.#results > 0.01 ? this.#ms / this.#results : unknownMs;
    return Math.min(Math.max(Math.ceil(results * each), 100), 3_600_000);
  }
}
