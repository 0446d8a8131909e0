/** Graphs of a few nodes, for what a device can do at most. */
import type { StoredTensors } from '../../runtime/files/safetensors.ts';
import { GraphBuilder, type Precision, type Value } from '../../runtime/graphs/builder.ts';
import { Graph } from '../../runtime/onnx/graph.ts';
import type { Provider } from '../../runtime/onnx/providers.ts';
import { floats, int64s, type Tensor } from '../../runtime/tensors/tensor.ts';

/** A graph of the input `x` and the output `y`; everything between is written by `body`. */
export function openTiny(
  provider: Provider,
  precision: Precision,
  body: (graph: GraphBuilder, x: Value) => Value,
  options: {
    x?: readonly (number | string)[];
    y?: readonly (number | string)[];
    weights?: StoredTensors;
    folder?: string;
  } = {},
): Promise<Graph> {
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
export function largest(graph: GraphBuilder, x: Value): Value {
  const rows = graph.node('Reshape', [x, graph.ints([1024, -1])], { name: 'largest' });
  const ofRows = graph.node('ReduceMax', [rows, graph.ints([1])], { name: 'largest', attributes: { keepdims: 0 } });
  return graph.node('ReduceMax', [ofRows, graph.ints([0])], { name: 'largest', attributes: { keepdims: 1 } });
}

/** `x` repeated into a shape, on the device. */
export function spread(graph: GraphBuilder, x: Value, shape: readonly number[]): Value {
  return graph.node('Expand', [x, graph.ints(shape)], { name: 'spread' });
}

export function one(value = 1): { x: Tensor } {
  return { x: floats(Float32Array.of(value), [1]) };
}

/** Smooth numbers of no pattern, from -1 to 1. */
export function waves(dims: readonly number[], phase = 0): Tensor {
  const data = new Float32Array(dims.reduce((a, b) => a * b, 1));
  for (let i = 0; i < data.length; i++) data[i] = Math.sin(i * 0.7 + phase) * Math.cos(i * 0.0137);
  return floats(data, dims);
}

/** A text of so many tokens of a vocabulary. */
export function tokenIds(vocabulary: number, length = 77): Tensor {
  return int64s(
    Array.from({ length }, (_, i) => (i * 641) % vocabulary),
    [1, length],
  );
}
