/** Graphs of a few nodes, for what a device can do at most. */
import type { StoredTensors } from '../../runtime/files/safetensors.ts';
import { GraphBuilder, type Precision, type Value } from '../../runtime/graphs/builder.ts';
import { Graph } from '../../runtime/onnx/graph.ts';
import type { Provider } from '../../runtime/onnx/providers.ts';
import { type Tensor } from '../../runtime/tensors/tensor.ts';
/** A graph of the input `x` and the output `y`; everything between is written by `body`. */
export declare function openTiny(
  provider: Provider,
  precision: Precision,
  body: (graph: GraphBuilder, x: Value) => Value,
  options?: {
    x?: readonly (number | string)[];
    y?: readonly (number | string)[];
    weights?: StoredTensors;
    folder?: string;
  },
): Promise<Graph>;
/**
 * The largest of a multiple of 1024 values, in a shape of one. In two steps, as a GPU computes each row by a group of
 * threads of its own and would leave a single one to a single group.
 */
export declare function largest(graph: GraphBuilder, x: Value): Value;
/** `x` repeated into a shape, on the device. */
export declare function spread(graph: GraphBuilder, x: Value, shape: readonly number[]): Value;
export declare function one(value?: number): {
  x: Tensor;
};
/** Smooth numbers of no pattern, from -1 to 1. */
export declare function waves(dims: readonly number[], phase?: number): Tensor;
/** A text of so many tokens of a vocabulary. */
export declare function tokenIds(vocabulary: number, length?: number): Tensor;
