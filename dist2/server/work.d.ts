import { type GenerateRequest, type ModelTraits } from '../runtime/index.ts';
import type { Clock } from './clock.ts';
/** Rows of networks × megapixels that a run takes: what its claimant is charged. */
export declare function workOf(request: GenerateRequest, model: ModelTraits): number;
/** How fast results are made, over the last few. */
export declare class Pace {
  #private;
  constructor(clock: Clock);
  /** After nothing ran, something does. */
  begin(): void;
  /** @param done - how much of a result a run has made, 0 to 1 */
  ended(done: number): void;
  /** Milliseconds until so many results will have ended, were they begun now; at least a tenth of a second, at most an hour. */
  msFor(results: number): number;
}
