import type { Embeddings } from '../run.ts';
/**
 * The weights of AUTOMATIC1111's web UI on the states of one row: z ← w z for each token, then all of z is scaled so that
 * its mean is what it was.
 *
 * Where the states have a mean of about 0, as in networks that leave it there, the ratio of the two means is chance; a
 * ratio that no choice of these weights could need leaves the weighted states as they are.
 *
 * @param states [length, width] @param weights one for each token
 */
export declare function weighSdEmbeds({ data, length, width }: Embeddings, weights: readonly number[]): Embeddings;
/** A fragment of a weight below 1, and a row that lacks it. */
export interface Lacking {
  weight: number;
  /** Undefined where the row does not hold the fragment anyway. */
  row:
    | {
        states: Embeddings;
        weights: readonly number[];
      }
    | undefined;
}
/**
 * The weights of compel on the states of one row. Each token moves on the line from the empty text's state:
 * z ← z₀ + w (z − z₀). Then, for each fragment of a weight w below 1, the states of the row that lacks it are mixed in,
 * as strongly as tan((1 − w) π/2): not at all for 1, half and half for 0.5, nothing else for 0.
 *
 * @param states [length, width] @param empty the same of the empty text @param weights one for each token
 */
export declare function weighCompel(
  states: Embeddings,
  empty: Embeddings,
  weights: readonly number[],
  lacking: readonly Lacking[],
): Embeddings;
