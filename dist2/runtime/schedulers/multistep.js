import { combine } from './level.js';

/** Weights of the Adams-Bashforth methods of order 1 to 4, newest first. */
const weights = [[1], [3 / 2, -1 / 2], [23 / 12, -16 / 12, 5 / 12], [55 / 24, -59 / 24, 37 / 24, -9 / 24]];
/** The slope to follow from the last one to four slopes at even distances, newest first. */
export function adamsBashforth(slopes) {
  const order = Math.min(slopes.length, weights.length);
  if (order === 1) return slopes[0];
  return combine(...weights[order - 1].map((weight, i) => [weight, slopes[i]]));
}
//# sourceMappingURL=multistep.js.map
