import type { GenerateRequest } from '../messages.ts';
import type { Branch } from '../run.ts';
import type { DenoiserInput, Family, GuidanceRule } from './family.ts';

/** What the denoiser is asked at each step, and how its predictions become one. */
export interface Guidance {
  branches: readonly Branch[];
  /** One prediction for each branch, in their order; may write into them. */
  combine: (predictions: readonly Float32Array[]) => Float32Array;
  /** Whether a call asks the conditional branches alone; `combine` is then given their predictions only. Default: none. */
  unguided?: (timestep: number) => boolean;
}

/** Whether a request has an unconditional branch. */
export function isGuided(rule: GuidanceRule, request: GenerateRequest): boolean {
  const { guidanceScale, trueGuidanceScale = 1, negativePrompt } = request;
  switch (rule) {
    case 'never':
      return false;
    case 'above 1':
      return guidanceScale > 1;
    case 'above 0':
      return guidanceScale > 0;
    case 'true scale':
      return trueGuidanceScale > 1 && negativePrompt !== undefined;
  }
}

/** Whether a request to edit a picture is guided by the picture too; a family with guidance of its own is not. */
export function isGuidedByPicture(input: DenoiserInput, family: Pick<Family, 'guidance'> | undefined): boolean {
  return input === 'edit' && family?.guidance === undefined;
}

/** The prompt alone. */
export function unguided(positive: Branch): Guidance {
  return { branches: [positive], combine: ([prediction]) => prediction! };
}

/** Classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598): ε = ε(∅) + s · (ε(c) − ε(∅)). */
export function classifierFree(positive: Branch, negative: Branch, scale: number): Guidance {
  return {
    branches: [negative, positive],
    combine: ([unconditional, conditional]) => {
      for (let at = 0; at < unconditional!.length; at++) {
        unconditional![at] = unconditional![at]! + scale * (conditional![at]! - unconditional![at]!);
      }
      return unconditional!;
    },
  };
}

/**
 * Two scales, one for the prompt and one for the picture it edits (Brooks et al. 2023, arXiv 2211.09800, eq. 3):
 * ε = ε(∅, ∅) + s_I · (ε(I, ∅) − ε(∅, ∅)) + s_T · (ε(I, T) − ε(I, ∅)).
 */
export function editing(both: Branch, imageOnly: Branch, none: Branch, scale: number, imageScale: number): Guidance {
  return {
    branches: [none, imageOnly, both],
    combine: ([nothing, image, all]) => {
      for (let at = 0; at < nothing!.length; at++) {
        const [n, i, a] = [nothing![at]!, image![at]!, all![at]!];
        nothing![at] = n + imageScale * (i - n) + scale * (a - i);
      }
      return nothing!;
    },
  };
}
