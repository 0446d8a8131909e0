import { type Packing } from '../files/packing.ts';
import type { StoredTensors } from '../files/safetensors.ts';
import type { DelicateOperator } from './precision.ts';
/** The name of a value inside the graph. */
export type Value = string;
/** What the network computes in. Weights stored otherwise are cast in the graph, so nothing is converted on disk. */
export type Precision = 'float32' | 'float16';
/** How a graph is written, whatever the network. */
export interface GraphForm {
  /** Of weights and activations; default float32. What is float32 all the same: `float32Parts` in precision.ts. */
  precision?: Precision | undefined;
  /** Of inputs and outputs; default that of the graph, as exporters write them. */
  border?: Precision | undefined;
  /** Operators that a float16 graph computes in float32; default none. */
  widened?: readonly DelicateOperator[] | undefined;
  /** `fused` (default): onnxruntime's MultiHeadAttention; `plain`: standard operators, for providers where that fails. */
  attention?: 'fused' | 'plain' | undefined;
  /**
   * `fused`: linear layers multiply by the matrix as it is stored, through onnxruntime's FusedMatMul, which needs no
   * transposed copy of the weights; only the CPU provider is known to have it, in float32. `plain` (default): MatMul, and
   * a Transpose that onnxruntime runs once, while it loads the graph.
   */
  linear?: 'fused' | 'plain' | undefined;
  /** How weights are held; default `auto`. */
  weights?: WeightsForm | undefined;
}
/**
 * `stored`: floats as floats, and what is stored in blocks or as 8-bit floats in 4 or 8 bits, see `smallestExact`.
 * `auto`: the same, but networks of less than 400 MiB as floats: they gain little, and products of 8-bit numbers are less
 * exact, most of all in narrow networks.
 * `int8`, `int4`: the matrices of linear layers in so many bits, however they are stored; blocks that are smaller stay so.
 * `float16`: everything as floats, in the precision of the graph.
 */
export type WeightsForm = 'auto' | 'stored' | 'int8' | 'int4' | 'float16';
/** Which layers of a network take the low-rank matrices of LoRAs as inputs of the graph. */
export type Adapters = 'none' | 'linear' | 'all';
export interface AdaptedForm extends GraphForm {
  /**
   * `linear`: the linear layers of transformers; `all`: also convolutions and projections of time. Each of them gets the
   * inputs `<module path>.lora_down` and `<module path>.lora_up` of any rank, in the orientation that needs no transpose:
   * [in, rank] and [rank, out] for linear layers, [rank, in, height, width] and [out, rank, 1, 1] for convolutions. What
   * they make of the layer's input is added to its output; zeros of rank 1 change nothing. Default `none`.
   */
  adapters?: Adapters | undefined;
  /**
   * Inputs for what adapters change beside the product of two matrices, zeros for nothing: `<module path>.lora_input` and
   * `.lora_output` (how much of what the layer's weight is given, and of what it gives, is added to that) and `.lora_bias`
   * for each layer that `adapters` names; `.lora_vector` and `.lora_bias` (added to weight and bias) for every
   * normalization. Default false.
   */
  vectors?: boolean | undefined;
}
/** A vector that an adapter changes something by; see `AdaptedForm.vectors`. */
export type AdapterVector = 'input' | 'output' | 'bias' | 'vector';
/** TensorProto.DataType of the ONNX format. */
declare const dataTypes: {
  readonly float32: 1;
  readonly uint8: 2;
  readonly int8: 3;
  readonly uint16: 4;
  readonly int16: 5;
  readonly int32: 6;
  readonly int64: 7;
  readonly bool: 9;
  readonly float16: 10;
  readonly float64: 11;
  readonly uint32: 12;
  readonly uint64: 13;
  readonly bfloat16: 16;
};
export type OnnxDtype = keyof typeof dataTypes;
/** A number is written as INT, so a FLOAT says so: `{ float: 1 }`. */
export type Attribute =
  | number
  | string
  | readonly number[]
  | {
      float: number;
    };
/** The weights do not fit the network; the message is a sentence that names the tensor. */
export declare class GraphError extends Error {
  readonly name = 'GraphError';
}
export interface Written {
  /** A serialized ModelProto. */
  bytes: Uint8Array<ArrayBuffer>;
  /** Absolute paths of the files the graph's external data points into; the graph knows them by their last name. */
  files: string[];
  /** What is known of those files' versions (see `versionOf`): the ranges in the graph hold for no other. */
  versions: ReadonlyMap<string, string>;
  /** Of all the ranges of those files that the graph uses. */
  weightBytes: number;
  /** The file that the graph's external data points into instead, where weights are held otherwise than they are stored. */
  packing?: Packing | undefined;
  /** A digest of all but the weights' values and places: the same for graphs that compute alike. */
  structure: string;
}
/**
 * Collects nodes, weights and constants, and writes them as an ONNX model.
 *
 * Weights are never copied: each becomes an initializer whose external data is a range of the safetensors file it came
 * from. Nodes carry the path of their module (`down_blocks.0.resnets.0.conv1`), so profiles and errors can be read beside
 * the original network.
 */
export declare class GraphBuilder {
  readonly precision: Precision;
  readonly attention: 'fused' | 'plain';
  readonly linear: 'fused' | 'plain';
  private readonly border;
  private readonly widened;
  private readonly adapters;
  private readonly takesVectors;
  private readonly tensors;
  private readonly nodes;
  private readonly initializers;
  private readonly inputs;
  private readonly outputs;
  private readonly outputNames;
  private readonly known;
  private readonly matrices;
  /** Inputs in the precision of the graph, by name. */
  private readonly entered;
  private readonly names;
  private readonly files;
  private readonly versions;
  private weightBytes;
  private readonly weightsForm;
  /** What is written into a packed file, where `packs`. */
  private readonly pieces;
  private packedBytes;
  /** Whether all weights are read from one packed file. */
  private readonly packs;
  private readonly structure;
  constructor(tensors: StoredTensors, form?: AdaptedForm);
  has(tensor: string): boolean;
  /** Shape of a stored tensor, in PyTorch order. */
  shapeOf(tensor: string): readonly number[];
  /** A graph input. A string in `shape` names a free dimension. */
  input(name: string, dtype: OnnxDtype, shape: readonly (number | string)[]): Value;
  /** A graph input in the precision of the border, as a value in that of the graph. Asked again, it gives the same. */
  enter(name: string, shape: readonly (number | string)[]): Value;
  /** A graph input in the precision of the border, as a float32 value. */
  enterWide(name: string, shape: readonly (number | string)[]): Value;
  /** Makes a value in the precision of the graph an output in that of the border; returns the value to go on with. */
  leave(name: string, value: Value, shape: readonly (number | string)[]): Value;
  /** Makes a float32 value an output in the precision of the border. */
  leaveWide(name: string, value: Value, shape: readonly (number | string)[]): void;
  /** Makes a value an output of the graph under the given name, and returns its new name. */
  output(name: string, value: Value, dtype: OnnxDtype, shape: readonly (number | string)[]): Value;
  /** Adds a node with one output and returns it, under a name of its own unless `output` gives one. */
  node(
    type: string,
    inputs: readonly Value[],
    options: {
      name: string;
      attributes?: Record<string, Attribute | undefined>;
      output?: string;
    },
  ): Value;
  /**
   * A stored tensor in the graph's precision, or in the one that `precision` names.
   *
   * @param options.precision - `stored`: not cast at all
   * @param options.shape - read the same bytes under another shape (a linear weight as a 1×1 convolution, for example)
   * @param options.rows - only this range of the first axis; the rows of a tensor lie together, so this is free
   * @param options.transpose - swap the two axes of a matrix, once, when the graph is loaded
   */
  weight(
    tensor: string,
    options?: {
      shape?: readonly number[];
      rows?: readonly [number, number];
      transpose?: boolean;
      precision?: Precision | 'stored';
    },
  ): Value;
  /** What a weight that is no matrix of `quantised` is written to a packed file as. */
  private heldFloat;
  /**
   * x Wᵀ over the last axis by a matrix that is held in 4 or 8 bits, through onnxruntime's MatMulNBits; undefined where the
   * graph holds this one as floats. On the CPU it multiplies whole numbers, having rounded each block of x to 8 bits.
   */
  quantised(x: Value, tensor: string, name: string, rows?: readonly [number, number]): Value | undefined;
  /** Bits of a matrix, undefined for floats. */
  private bitsOf;
  private packMatrix;
  /** Sums of x over each block of its last axis; asked again, the same value. */
  private blockSums;
  private uses;
  private pack;
  /** @param file - its name; absent: the packed file */
  private external;
  /**
   * The low-rank inputs of a layer, or undefined where the graph adapts no layer of its kind. Asked again (for another
   * range of a layer's rows), it gives the same inputs.
   *
   * @param kind - the least a graph must adapt for this layer to be among it
   * @param shapes - of both matrices, given the name of the free dimension
   */
  adapter(
    path: string,
    kind: Exclude<Adapters, 'none'>,
    shapes: (rank: string) => readonly [down: readonly (number | string)[], up: readonly (number | string)[]],
  ): [down: Value, up: Value] | undefined;
  /**
   * The vector inputs of a layer or a normalization, or undefined where the graph has none for its kind.
   *
   * @param kind - the least a graph must adapt for this layer to be among it; undefined for normalizations
   */
  vectors<Role extends AdapterVector>(
    path: string,
    kind: Exclude<Adapters, 'none'> | undefined,
    shapes: Readonly<Record<Role, readonly number[]>>,
  ): Record<Role, Value> | undefined;
  /** Whole numbers: shapes, axes, sizes. A bare number is a scalar. */
  ints(values: number | readonly number[]): Value;
  /** float32, whatever the precision of the graph (timesteps and scales of Resize need it). */
  floats(values: number | readonly number[], shape?: readonly number[]): Value;
  cast(value: Value, to: OnnxDtype, name: string): Value;
  /** A value in the precision of the graph as float32. */
  widen(value: Value, name: string): Value;
  /** A float32 value in the precision of the graph. */
  inPrecision(value: Value, name: string): Value;
  /** What `compute` makes of values: of float32 ones where the graph computes this operator in float32. */
  delicately(
    operator: DelicateOperator,
    values: readonly Value[],
    name: string,
    compute: (...values: Value[]) => Value,
  ): Value;
  /** What `compute` makes of values: of float32 ones if `wide`, whatever the precision of the graph. */
  widely(wide: boolean, values: readonly Value[], name: string, compute: (...values: Value[]) => Value): Value;
  /** One number in the precision of the graph. */
  scalar(value: number): Value;
  /** Writes the model: opset 18 and onnxruntime's own operators, version 1. */
  finish(graphName: string): Written;
  private constant;
  private stored;
  private unused;
}
