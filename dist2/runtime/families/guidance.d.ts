import type { GenerateRequest } from '../messages.ts';
import type { Branch } from '../run.ts';
import type { GuidanceRule } from './family.ts';
/** What the denoiser is asked at each step, and how its predictions become one. */
export interface Guidance {
  branches: readonly Branch[];
  /** One prediction for each branch, in their order; may write into them. */
  combine: (predictions: readonly Float32Array[]) => Float32Array;
}
/** Whether a request has an unconditional branch. */
export declare function isGuided(rule: GuidanceRule, request: GenerateRequest): boolean;
/** The prompt alone. */
export declare function unguided(positive: Branch): Guidance;
/** Classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598): ε = ε(∅) + s · (ε(c) − ε(∅)). */
export declare function classifierFree(positive: Branch, negative: Branch, scale: number): Guidance;
/**
 * Two scales, one for the prompt and one for the picture it edits (Brooks et al. 2023, arXiv 2211.09800, eq. 3):
 * ε = ε(∅, ∅) + s_I · (ε(I, ∅) − ε(∅, ∅)) + s_T · (ε(I, T) − ε(I, ∅)).
 */
export declare function editing(
  both: Branch,
  imageOnly: Branch,
  none: Branch,
  scale: number,
  imageScale: number,
): Guidance;
