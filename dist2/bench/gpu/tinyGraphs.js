import { GraphBuilder } from '../../runtime/graphs/builder.js';
import { Graph } from '../../runtime/onnx/graph.js';
import { floats, int64s } from '../../runtime/tensors/tensor.js';
/** A graph of the input `x` and the output `y`; everything between is written by `body`. */
export function openTiny(provider, precision, body, options = {}) {
  const builder = new GraphBuilder(options.weights ?? new Map(), { precision });
  const x = builder.input('x', precision, options.x ?? [1]);
  builder.output('y', body(builder, x), precision, options.y ?? [1]);
  const { bytes } = builder.finish('tiny');
  return Graph.open(options.folder === undefined ? { bytes } : { bytes, folder: options.folder }, provider);
}
/**
 * The largest of a multiple of 1024 values, in a shape of one. In two steps, as a GPU computes each row by a group of
 * threads of its own and would leave a single one to a single group.
 */
export function largest(graph, x) {
  const rows = graph.node('Reshape', [x, graph.ints([1024, -1])], { name: 'largest' });
  const ofRows = graph.node('ReduceMax', [rows, graph.ints([1])], { name: 'largest', attributes: { keepdims: 0 } });
  return graph.node('ReduceMax', [ofRows, graph.ints([0])], { name: 'largest', attributes: { keepdims: 1 } });
}
/** `x` repeated into a shape, on the device. */
export function spread(graph, x, shape) {
  return graph.node('Expand', [x, graph.ints(shape)], { name: 'spread' });
}
export function one(value = 1) {
  return { x: floats(Float32Array.of(value), [1]) };
}
/** Smooth numbers of no pattern, from -1 to 1. */
export function waves(dims, phase = 0) {
  const data = new Float32Array(dims.reduce((a, b) => a * b, 1));
  for (let i = 0; i < data.length; i++) data[i] = Math.sin(i * 0.7 + phase) * Math.cos(i * 0.0137);
  return floats(data, dims);
}
/** A text of so many tokens of a vocabulary. */
export function tokenIds(vocabulary, length = 77) {
  return int64s(
    Array.from({ length }, (_, i) => (i * 641) % vocabulary),
    [1, length],
  );
}
//# sourceMappingURL=tinyGraphs.js.map
