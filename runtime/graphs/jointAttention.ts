import type { GraphBuilder, Value } from './builder.ts';
import { attention, linear } from './layers.ts';
import { headNorm, type Rotary, rotate, sizeOf, slice, toTheEnd } from './transformerLayers.ts';

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
export function jointAttention(
  graph: GraphBuilder,
  text: Value,
  image: Value,
  path: string,
  { heads, width, epsilon, rotary, first }: JointAttentionOptions,
): [text: Value | undefined, image: Value] {
  const both = (ofText: Value, ofImage: Value) =>
    graph.node('Concat', first === 'text' ? [ofText, ofImage] : [ofImage, ofText], {
      name: path,
      attributes: { axis: 1 },
    });
  const [query, key] = (['q', 'k'] as const).map((which) => {
    const joint = both(
      normed(graph, linear(graph, text, `${path}.add_${which}_proj`), `${path}.norm_added_${which}`, heads, epsilon),
      normed(graph, linear(graph, image, `${path}.to_${which}`), `${path}.norm_${which}`, heads, epsilon),
    );
    return graph.inPrecision(rotary ? rotate(graph, joint, path, heads, rotary) : joint, path);
  }) as [Value, Value];
  const value = both(linear(graph, text, `${path}.add_v_proj`), linear(graph, image, `${path}.to_v`));
  const mixed = attention(graph, query, key, value, path, { heads, width });
  const border = sizeOf(graph, first === 'text' ? text : image, 1, path);
  const parts = [slice(graph, mixed, 1, 0, border, path), slice(graph, mixed, 1, border, toTheEnd, path)] as const;
  const [ofText, ofImage] = first === 'text' ? parts : ([parts[1], parts[0]] as const);
  const out = `${path}.to_add_out`;
  return [
    graph.has(`${out}.weight`) ? linear(graph, ofText, out) : undefined,
    linear(graph, ofImage, `${path}.to_out.0`),
  ];
}

/** The heads' norm of queries or keys where the weights have it; wide. */
function normed(graph: GraphBuilder, x: Value, path: string, heads: number, epsilon: number): Value {
  return graph.has(`${path}.weight`) ? headNorm(graph, x, path, heads, epsilon) : graph.widen(x, path);
}
