/** Whether a request has an unconditional branch. */
export function isGuided(rule, request) {
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
/** The prompt alone. */
export function unguided(positive) {
  return { branches: [positive], combine: ([prediction]) => prediction };
}
/** Classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598): ε = ε(∅) + s · (ε(c) − ε(∅)). */
export function classifierFree(positive, negative, scale) {
  return {
    branches: [negative, positive],
    combine: ([unconditional, conditional]) => {
      for (let at = 0; at < unconditional.length; at++) {
        unconditional[at] = unconditional[at] + scale * (conditional[at] - unconditional[at]);
      }
      return unconditional;
    },
  };
}
/**
 * Two scales, one for the prompt and one for the picture it edits (Brooks et al. 2023, arXiv 2211.09800, eq. 3):
 * ε = ε(∅, ∅) + s_I · (ε(I, ∅) − ε(∅, ∅)) + s_T · (ε(I, T) − ε(I, ∅)).
 */
export function editing(both, imageOnly, none, scale, imageScale) {
  return {
    branches: [none, imageOnly, both],
    combine: ([nothing, image, all]) => {
      for (let at = 0; at < nothing.length; at++) {
        const [n, i, a] = [nothing[at], image[at], all[at]];
        nothing[at] = n + imageScale * (i - n) + scale * (a - i);
      }
      return nothing;
    },
  };
}
//# sourceMappingURL=guidance.js.map
