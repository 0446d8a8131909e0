import type { GraphBuilder, Value } from './builder.ts';
import { type Rotary } from './transformerLayers.ts';
export interface JointAttentionOptions {
  heads: number;
  /** heads · channels of a head. */
  width: number;
  /** Of the norms of queries and keys, which networks without such norms never read. */
  epsilon: number;
  /** For the joint sequence; absent: positions are in the tokens. */
  rotary?: Rotary;
  /** Which stream comes first in the joint sequence. */
  first: 'text' | 'image';
}
/**
 * Text and picture in one attention, each with weights of its own (Esser et al. 2024, arXiv 2403.03206, section 4).
 *
 * @param text - [batch, length, width] in the precision of the graph, as is `image`
 * @returns what each stream gets; no text where the weights have no `to_add_out`, as in a last block
 */
export declare function jointAttention(
  graph: GraphBuilder,
  text: Value,
  image: Value,
  path: string,
  { heads, width, epsilon, rotary, first }: JointAttentionOptions,
): [text: Value | undefined, image: Value];
