import { GraphError } from './builder.js';
import { linear, silu } from './layers.js';
// In these functions `wide` means float32 whatever the precision of the graph; see `float32Parts` for why.
/** x / √(mean(x²) + ε) · weight over the last axis; `x` and the result are wide. */
export function rmsNorm(graph, x, path, epsilon) {
  let weight = graph.weight(`${path}.weight`, { precision: 'float32' });
  const vectors = graph.vectors(path, undefined, { vector: graph.shapeOf(`${path}.weight`) });
  if (vectors) {
    const name = `${path}.lora`;
    weight = graph.node('Add', [weight, graph.widen(vectors.vector, name)], { name });
  }
  return graph.node('SimplifiedLayerNormalization', [x, weight], {
    name: path,
    attributes: { axis: -1, epsilon: { float: epsilon } },
  });
}
/** Layer normalization over the last axis of `width` channels, without weights; `x` and the result are wide. */
export function plainLayerNorm(graph, x, name, width, epsilon) {
  const ones = graph.floats(new Array(width).fill(1));
  return graph.node('LayerNormalization', [x, ones], { name, attributes: { axis: -1, epsilon: { float: epsilon } } });
}
/** x · (1 + scale) + shift, all wide; `scale` and `shift` are [batch, 1, width]. */
export function modulate(graph, x, name, scale, shift) {
  const factor = graph.node('Add', [scale, graph.floats(1)], { name });
  const scaled = graph.node('Mul', [x, factor], { name });
  return shift === undefined ? scaled : graph.node('Add', [scaled, shift], { name });
}
/** sum + gate · y: `sum`, `gate` and the result are wide, `y` is in the precision of the graph. */
export function addGated(graph, sum, y, name, gate) {
  const wide = graph.widen(y, name);
  return graph.node('Add', [sum, gate === undefined ? wide : graph.node('Mul', [wide, gate], { name })], { name });
}
/**
 * One linear layer of a vector as `count` equal parts, each wide and [batch, 1, width]: shifts, scales and gates.
 *
 * @param vector - [batch, in], in the precision of the graph
 */
export function modulationParts(graph, vector, path, count) {
  const rows = graph.shapeOf(`${path}.weight`)[0];
  if (rows % count !== 0) throw new GraphError(`${path} has ${rows} rows, which is not a multiple of ${count}.`);
  const width = rows / count;
  const all = graph.node('Unsqueeze', [graph.widen(linear(graph, vector, path), path), graph.ints([1])], {
    name: path,
  });
  if (count === 1) return [all];
  return Array.from({ length: count }, (_, part) => slice(graph, all, 2, part * width, (part + 1) * width, path));
}
/** One linear layer of a vector as `count` modulations, one after the other. */
export function modulations(graph, vector, path, count) {
  const parts = modulationParts(graph, vector, path, 3 * count);
  return Array.from({ length: count }, (_, i) => parts.slice(3 * i, 3 * i + 3));
}
/** The modulated layer normalization of a wide sum, in the precision of the graph. */
export function modulatedNorm(graph, x, name, [shift, scale], width, epsilon) {
  const normal = plainLayerNorm(graph, x, name, width, epsilon);
  return graph.inPrecision(modulate(graph, normal, name, scale, shift), name);
}
/** Scale and shift of a final layer, whose halves may lie in the file in either order. */
export function modulationHalves(graph, vector, path) {
  const half = graph.shapeOf(`${path}.weight`)[0] / 2;
  return [0, 1].map((index) => {
    const part = linear(graph, vector, path, { rows: [index * half, (index + 1) * half] });
    return graph.node('Unsqueeze', [graph.widen(part, path), graph.ints([1])], { name: path });
  });
}
/** `x` from `start` to before `end` along one axis. */
export function slice(graph, x, axis, start, end, name) {
  const bound = (at) => (typeof at === 'number' ? graph.ints([at]) : at);
  return graph.node('Slice', [x, bound(start), bound(end), graph.ints([axis])], { name });
}
/** One size of `x` as a vector of one whole number. */
export function sizeOf(graph, x, axis, name) {
  return graph.node('Shape', [x], { name, attributes: { start: axis, end: axis + 1 } });
}
/** A slice up to here ends where the axis ends. */
export const toTheEnd = 2 ** 31 - 1;
/**
 * Tables that the host makes: the inputs `rotary_cos` and `rotary_sin`, float32 [batch · length, head / 2], with the
 * positions of one row of the batch after those of the one before it.
 *
 * @param batched - a value whose first axis is the batch
 */
export function rotaryInputs(graph, head, batched, interleaved) {
  if (head % 2 !== 0) throw new GraphError(`Heads of ${head} channels cannot be rotated in pairs.`);
  const [cos, sin] = ['rotary_cos', 'rotary_sin'].map((name) => graph.input(name, 'float32', ['positions', head / 2]));
  const name = 'rotary';
  const rows = graph.node('Squeeze', [sizeOf(graph, cos, 0, name), graph.ints([0])], { name });
  const range = graph.node('Range', [graph.ints(0), rows, graph.ints(1)], { name });
  const shape = graph.node('Concat', [sizeOf(graph, batched, 0, name), graph.ints([-1])], {
    name,
    attributes: { axis: 0 },
  });
  return { cos, sin, positions: graph.node('Reshape', [range, shape], { name }), interleaved };
}
/** Rotates [batch, length, heads · head] by position; `x` and the result are wide. */
export function rotate(graph, x, name, heads, rotary) {
  const { cos, sin, positions, interleaved } = rotary;
  if (graph.attention === 'fused') {
    return graph.node('RotaryEmbedding', [x, positions, cos, sin], {
      name,
      attributes: { interleaved: interleaved ? 1 : 0 },
    });
  }
  // Pairs lie on an axis of their own, before or after that of the frequencies.
  const axis = interleaved ? 4 : 3;
  const pairs = graph.node('Reshape', [x, graph.ints(interleaved ? [0, 0, heads, -1, 2] : [0, 0, heads, 2, -1])], {
    name,
  });
  const half = (index) => graph.node('Gather', [pairs, graph.ints(index)], { name, attributes: { axis } });
  const row = (table) => {
    const found = graph.node('Gather', [table, positions], { name });
    return graph.node('Unsqueeze', [found, graph.ints([2])], { name });
  };
  const [a, b, c, s] = [half(0), half(1), row(cos), row(sin)];
  const times = (u, v) => graph.node('Mul', [u, v], { name });
  const rotated = [
    graph.node('Sub', [times(a, c), times(b, s)], { name }),
    graph.node('Add', [times(a, s), times(b, c)], { name }),
  ].map((part) => graph.node('Unsqueeze', [part, graph.ints([axis])], { name }));
  const together = graph.node('Concat', rotated, { name, attributes: { axis } });
  return graph.node('Reshape', [together, graph.ints([0, 0, -1])], { name });
}
/**
 * The RMS normalization of each head of queries or keys: [batch, length, heads · head], in the precision of the graph → the
 * same, wide.
 */
export function headNorm(graph, x, path, heads, epsilon) {
  const split = graph.node('Reshape', [graph.widen(x, path), graph.ints([0, 0, heads, -1])], { name: path });
  const normal = rmsNorm(graph, split, path, epsilon);
  return graph.node('Reshape', [normal, graph.ints([0, 0, -1])], { name: path });
}
/** w2(silu(w1 x) · w3 x), the feed-forward part of most language models; of `gate`, `up` and `down` the paths. */
export function gatedFeedForward(graph, x, name, { gate, up, down }) {
  const product = graph.node('Mul', [silu(graph, linear(graph, x, gate), name), linear(graph, x, up)], { name });
  return linear(graph, bounded(graph, product, name), down);
}
/**
 * `x` within what float16 holds, in a float16 graph: an infinite value would become a NaN in the next product, and published
 * FLUX and Z-Image weights do reach it.
 */
export function bounded(graph, x, name) {
  if (graph.precision === 'float32') return x;
  return graph.node('Clip', [x, graph.scalar(-65504), graph.scalar(65504)], { name });
}
/**
 * Sinusoidal encoding of a time (Vaswani et al. 2017, section 3.5) with cosines first: wide [batch] → [batch, width], in the
 * precision of the graph.
 */
export function timeWaves(graph, time, width, name) {
  if (width % 2 !== 0) throw new GraphError(`The time embedding has an odd width of ${width} (${name}).`);
  const half = width / 2;
  const frequencies = Array.from({ length: half }, (_, i) => Math.exp((-Math.log(10000) * i) / half));
  const column = graph.node('Unsqueeze', [time, graph.ints([1])], { name });
  const angles = graph.node('Mul', [column, graph.floats(frequencies)], { name });
  const waves = ['Cos', 'Sin'].map((type) => graph.node(type, [angles], { name }));
  return graph.inPrecision(graph.node('Concat', waves, { name, attributes: { axis: -1 } }), name);
}
/** How many modules `<path>.0`, `<path>.1`, … have a tensor of that name. */
export function countModules(graph, path, tensor) {
  let count = 0;
  while (graph.has(`${path}.${count}.${tensor}`)) count++;
  return count;
}
/** Vectors of tokens, [batch, length, width], wide; `ids` is int64 [batch, length]. */
export function embedTokens(graph, ids, path) {
  // Rows are cast after they are taken: a vocabulary of 150,000 words would take 1.5 GB in float32.
  const rows = graph.node('Gather', [graph.weight(`${path}.weight`, { precision: 'stored' }), ids], { name: path });
  return graph.cast(rows, 'float32', path);
}
//# sourceMappingURL=transformerLayers.js.map
