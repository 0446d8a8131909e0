import { attention, linear } from './layers.js';
import { headNorm, rotate, sizeOf, slice, toTheEnd } from './transformerLayers.js';
/**
 * Text and picture in one attention, each with weights of its own (Esser et al. 2024, arXiv 2403.03206, section 4).
 *
 * @param text - [batch, length, width] in the precision of the graph, as is `image`
 * @returns what each stream gets; no text where the weights have no `to_add_out`, as in a last block
 */
export function jointAttention(graph, text, image, path, { heads, width, epsilon, rotary, first }) {
  const both = (ofText, ofImage) =>
    graph.node('Concat', first === 'text' ? [ofText, ofImage] : [ofImage, ofText], {
      name: path,
      attributes: { axis: 1 },
    });
  const [query, key] = ['q', 'k'].map((which) => {
    const joint = both(
      normed(graph, linear(graph, text, `${path}.add_${which}_proj`), `${path}.norm_added_${which}`, heads, epsilon),
      normed(graph, linear(graph, image, `${path}.to_${which}`), `${path}.norm_${which}`, heads, epsilon),
    );
    return graph.inPrecision(rotary ? rotate(graph, joint, path, heads, rotary) : joint, path);
  });
  const value = both(linear(graph, text, `${path}.add_v_proj`), linear(graph, image, `${path}.to_v`));
  const mixed = attention(graph, query, key, value, path, { heads, width });
  const border = sizeOf(graph, first === 'text' ? text : image, 1, path);
  const parts = [slice(graph, mixed, 1, 0, border, path), slice(graph, mixed, 1, border, toTheEnd, path)];
  const [ofText, ofImage] = first === 'text' ? parts : [parts[1], parts[0]];
  const out = `${path}.to_add_out`;
  return [
    graph.has(`${out}.weight`) ? linear(graph, ofText, out) : undefined,
    linear(graph, ofImage, `${path}.to_out.0`),
  ];
}
/** The heads' norm of queries or keys where the weights have it; wide. */
function normed(graph, x, path, heads, epsilon) {
  return graph.has(`${path}.weight`) ? headNorm(graph, x, path, heads, epsilon) : graph.widen(x, path);
}
//# sourceMappingURL=jointAttention.js.map
