import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { isBlockDtype, isFloat8 } from '../files/blocks.ts';
import {
  BLOCK,
  type Held,
  isSmall,
  matrixOf,
  type Packing,
  type Piece,
  packingOf,
  placesOf,
  smallestExact,
} from '../files/packing.ts';
import type { StoredDtype, StoredTensor, StoredTensors } from '../files/safetensors.ts';
import type { DelicateOperator } from './precision.ts';
import { Shapes } from './shapes.ts';

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
const dataTypes = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
} as const;

export type OnnxDtype = keyof typeof dataTypes;

/** Weights are numbers with a fraction; whole ones would need scales that safetensors does not have. */
const onnxDtypes: Partial<Record<StoredDtype, OnnxDtype>> = {
  F64: 'float64',
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
};

/** A tensor without values may claim any size for its other axes; none that has values comes near. */
const LARGEST_AXIS = 2 ** 31;

/** A number is written as INT, so a FLOAT says so: `{ float: 1 }`. */
export type Attribute = number | string | readonly number[] | { float: number };

interface Node {
  type: string;
  /** An empty string stands for an absent optional input. */
  inputs: readonly Value[];
  outputs: readonly Value[];
  name: string;
  attributes?: Readonly<Record<string, Attribute | undefined>>;
  /** A value of the same shape, where that does not follow from the inputs. */
  like?: Value | undefined;
}

interface Initializer {
  name: string;
  dtype: OnnxDtype;
  dims: readonly number[];
  /** A range of a file, the packed one where none is named; or the bytes themselves, and what they say. */
  held:
    | { file?: string | undefined; offset: number; length: number }
    | { bytes: Uint8Array; contents: readonly number[] };
}

interface Border {
  name: string;
  dtype: OnnxDtype;
  shape: readonly (number | string)[];
}

/** The parts of a matrix that is held in 4 or 8 bits, see `Held`. */
interface Matrix {
  codes: Value;
  scales: Value;
  minima?: Value;
}

/** The weights do not fit the network; the message is a sentence that names the tensor. */
export class GraphError extends Error {
  override readonly name = 'GraphError';
}

export interface Written {
  /** A serialized ModelProto, made when it is first asked for: most graphs are written only to see whether they can be. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Absolute paths of the files the graph's external data points into; the graph knows them by their last name. */
  files: string[];
  /** What is known of those files' versions (see `versionOf`): the ranges in the graph hold for no other. */
  versions: ReadonlyMap<string, string>;
  /** Of all the ranges of those files that the graph uses. */
  weightBytes: number;
  /** The file that the graph's external data points into instead, where weights are held otherwise than they are stored. */
  packing?: Packing | undefined;
  /** A digest of all but the weights' values and places: the same for graphs that compute alike. */
  readonly structure: string;
}

/** Operators of onnxruntime itself; all of these have CPU kernels, and GPU ones where the provider is fast at all. */
const microsoftOperators = new Set([
  'MultiHeadAttention',
  'QuickGelu',
  'Gelu',
  'BiasGelu',
  'FastGelu',
  'FusedMatMul',
  'RotaryEmbedding',
  'MatMulNBits',
]);

/**
 * Collects nodes, weights and constants, and writes them as an ONNX model.
 *
 * Weights are never copied: each becomes an initializer whose external data is a range of the safetensors file it came
 * from. Nodes carry the path of their module (`down_blocks.0.resnets.0.conv1`), so profiles and errors can be read beside
 * the original network.
 */
export class GraphBuilder {
  readonly precision: Precision;
  readonly attention: 'fused' | 'plain';
  readonly linear: 'fused' | 'plain';
  private readonly border: Precision;
  private readonly widened: readonly DelicateOperator[];
  private readonly adapters: Adapters;
  private readonly takesVectors: boolean;
  private readonly tensors: StoredTensors;
  private readonly nodes: Node[] = [];
  private readonly initializers: Initializer[] = [];
  private readonly inputs: Border[] = [];
  private readonly outputs: Border[] = [];
  private readonly outputNames = new Set<string>();
  private readonly known = new Map<string, Value>();
  private readonly matrices = new Map<string, Matrix>();
  /** Inputs in the precision of the graph, by name. */
  private readonly entered = new Map<string, Value>();
  private readonly names = new Set<string>();
  private readonly files = new Set<string>();
  private readonly versions = new Map<string, string>();
  private weightBytes = 0;
  private readonly weightsForm: Exclude<WeightsForm, 'auto'>;
  /** What is written into a packed file, where `packs`. */
  private readonly pieces: Piece[] = [];
  private packedBytes = 0;
  /** Whether all weights are read from one packed file. */
  private readonly packs: boolean;

  constructor(tensors: StoredTensors, form: AdaptedForm = {}) {
    this.tensors = tensors;
    this.precision = form.precision ?? 'float32';
    this.border = form.border ?? this.precision;
    this.widened = this.precision === 'float32' ? [] : (form.widened ?? []);
    this.attention = form.attention ?? 'fused';
    this.adapters = form.adapters ?? 'none';
    this.takesVectors = form.vectors ?? false;
    this.linear = this.precision === 'float32' ? (form.linear ?? 'plain') : 'plain';
    const { weights = 'auto' } = form;
    this.weightsForm = weights === 'auto' ? (isSmall(tensors) ? 'float16' : 'stored') : weights;
    const isFewBits = this.weightsForm === 'int8' || this.weightsForm === 'int4';
    this.packs = isFewBits || [...tensors.values()].some(({ dtype }) => isBlockDtype(dtype) || isFloat8(dtype));
  }

  has(tensor: string): boolean {
    return this.tensors.has(tensor);
  }

  /** Shape of a stored tensor, in PyTorch order. */
  shapeOf(tensor: string): readonly number[] {
    return this.stored(tensor).shape;
  }

  /** A graph input. A string in `shape` names a free dimension. */
  input(name: string, dtype: OnnxDtype, shape: readonly (number | string)[]): Value {
    checkNumbers(shape, name);
    this.inputs.push({ name, dtype, shape });
    this.names.add(name);
    return name;
  }

  /** A graph input in the precision of the border, as a value in that of the graph. Asked again, it gives the same. */
  enter(name: string, shape: readonly (number | string)[]): Value {
    const seen = this.entered.get(name);
    if (seen !== undefined) return seen;
    const given = this.input(name, this.border, shape);
    const value = this.border === this.precision ? given : this.cast(given, this.precision, name);
    this.entered.set(name, value);
    return value;
  }

  /** A graph input in the precision of the border, as a float32 value. */
  enterWide(name: string, shape: readonly (number | string)[]): Value {
    const given = this.input(name, this.border, shape);
    return this.border === 'float32' ? given : this.cast(given, 'float32', name);
  }

  /** Makes a value in the precision of the graph an output in that of the border; returns the value to go on with. */
  leave(name: string, value: Value, shape: readonly (number | string)[]): Value {
    if (this.border === this.precision) return this.output(name, value, this.border, shape);
    this.output(name, this.cast(value, this.border, name), this.border, shape);
    return value;
  }

  /** Makes a float32 value an output in the precision of the border. */
  leaveWide(name: string, value: Value, shape: readonly (number | string)[]): void {
    this.output(name, this.border === 'float32' ? value : this.cast(value, this.border, name), this.border, shape);
  }

  /** Makes a value an output of the graph under the given name, and returns its new name. */
  output(name: string, value: Value, dtype: OnnxDtype, shape: readonly (number | string)[]): Value {
    const producer = this.nodes.find((node) => node.outputs.includes(value));
    if (producer && !this.outputNames.has(value)) {
      // Renamed rather than copied through an Identity node.
      const renamed = (list: readonly Value[]) => list.map((item) => (item === value ? name : item));
      producer.outputs = renamed(producer.outputs);
      for (const node of this.nodes) if (node.inputs.includes(value)) node.inputs = renamed(node.inputs);
    } else {
      this.node('Identity', [value], { name, output: name });
    }
    this.outputNames.add(name);
    checkNumbers(shape, name);
    this.outputs.push({ name, dtype, shape });
    return name;
  }

  /**
   * Adds a node with one output and returns it, under a name of its own unless `output` gives one.
   *
   * @param options.like - a value of the same shape, where that does not follow from the inputs
   */
  node(
    type: string,
    inputs: readonly Value[],
    options: { name: string; attributes?: Record<string, Attribute | undefined>; output?: string; like?: Value },
  ): Value {
    const name = this.unused(`/${options.name}/${type}`);
    const output = options.output ?? `${name}_output_0`;
    const { attributes, like } = options;
    if (attributes) checkNumbers(Object.values(attributes), options.name);
    this.nodes.push({ type, inputs, outputs: [output], name, like, ...(attributes && { attributes }) });
    return output;
  }

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
    options: {
      shape?: readonly number[];
      rows?: readonly [number, number];
      transpose?: boolean;
      precision?: Precision | 'stored';
    } = {},
  ): Value {
    const { precision = this.precision } = options;
    const key = `${tensor}|${options.shape ?? ''}|${options.rows ?? ''}|${options.transpose ?? ''}|${precision}`;
    const seen = this.known.get(key);
    if (seen !== undefined) return seen;
    const stored = this.stored(tensor);
    const isPacked = isBlockDtype(stored.dtype) || isFloat8(stored.dtype);
    const dtype = this.packs ? this.heldFloat(stored, precision) : onnxDtypes[stored.dtype];
    if (!dtype || !(isPacked || onnxDtypes[stored.dtype]))
      throw new GraphError(
        `The tensor "${tensor}" is stored as ${stored.dtype}, which is not supported; supported are F32, F16, BF16, F64, F8_E4M3, F8_E5M2 and the blocks of GGUF.`,
      );
    const [from, to] = options.rows ?? [0, stored.shape[0] ?? 1];
    if (stored.transposed && (options.rows || stored.shape.length !== 2)) {
      throw new GraphError(`The tensor "${tensor}" is stored transposed, which is supported only for whole matrices.`);
    }
    const start = stored.swapped ? swappedStart(tensor, stored, options.rows) : from;
    const rowBytes = stored.length / (stored.shape[0] ?? 1);
    const shape = options.shape ?? (options.rows ? [to - from, ...stored.shape.slice(1)] : stored.shape);
    const length = options.rows ? (to - from) * rowBytes : stored.length;
    if (count(shape) * (stored.length / Math.max(1, count(stored.shape))) !== length) {
      throw new GraphError(
        `The tensor "${tensor}" has shape [${stored.shape.join(', ')}], not the expected [${shape.join(', ')}].`,
      );
    }
    const name = this.unused(options.rows ? `${tensor}[${from}:${to}]` : tensor);
    const dims = stored.transposed ? [...shape].reverse() : shape;
    this.uses(stored, length);
    if (this.packs) {
      const held: Held = { as: dtype === onnxDtypes[stored.dtype] ? 'raw' : (dtype as 'float32' | 'float16') };
      const rows = options.rows && ([start, start + to - from] as const);
      this.external(name, dtype, dims, this.pack({ source: stored, rows, held }).codes);
    } else
      this.external(name, dtype, dims, { offset: stored.offset + start * rowBytes, length }, basename(stored.file));
    let value = name;
    // Both nodes see only constants, so onnxruntime runs them once, while it loads the graph.
    if (precision !== 'stored' && dtype !== precision) value = this.cast(value, precision, name);
    if (Boolean(options.transpose) !== Boolean(stored.transposed))
      value = this.node('Transpose', [value], { name, attributes: { perm: [1, 0] } });
    this.known.set(key, value);
    return value;
  }

  /** What a weight that is no matrix of `quantised` is written to a packed file as. */
  private heldFloat({ dtype }: StoredTensor, precision: Precision | 'stored'): OnnxDtype {
    return precision === 'stored' ? (onnxDtypes[dtype] ?? this.precision) : precision;
  }

  /**
   * x Wᵀ over the last axis by a matrix that is held in 4 or 8 bits, through onnxruntime's MatMulNBits; undefined where the
   * graph holds this one as floats. On the CPU it multiplies whole numbers, having rounded each block of x to 8 bits.
   */
  quantised(x: Value, tensor: string, name: string, rows?: readonly [number, number]): Value | undefined {
    if (!this.packs || this.weightsForm === 'float16') return undefined;
    const source = this.stored(tensor);
    const start = source.swapped ? swappedStart(tensor, source, rows) : rows?.[0];
    const [out, inner] = matrixOf(source, rows);
    const window = source.shape.slice(2);
    if (source.shape.length < 2 || source.transposed || window.some((size) => size !== 1) || inner % BLOCK !== 0) {
      return undefined;
    }
    const wanted = this.bitsOf(source);
    if (!wanted) return undefined;
    const held: Held = { as: 'blocks', ...wanted, floats: this.precision };
    const key = `${tensor}|${rows ?? ''}|blocks`;
    const seen = this.matrices.get(key);
    const range = rows && start !== undefined ? ([start, start + out] as const) : undefined;
    const matrix = seen ?? this.packMatrix(tensor, { source, rows: range, held });
    this.matrices.set(key, matrix);
    const product = this.node('MatMulNBits', [x, matrix.codes, matrix.scales], {
      name,
      attributes: { K: inner, N: out, bits: wanted.bits, block_size: BLOCK, accuracy_level: 4 },
    });
    if (!matrix.minima) return product;
    // Σⱼ xⱼ (sⱼcⱼ + mⱼ): what is added to all values of a block is multiplied by the sum of x over that block.
    const sums = this.blockSums(x, name);
    return this.node('Add', [product, this.node('MatMul', [sums, matrix.minima], { name })], { name });
  }

  /** Bits of a matrix, undefined for floats. */
  private bitsOf({ dtype }: StoredTensor): { bits: 4 | 8; hasMinima: boolean } | undefined {
    const exact = smallestExact(dtype);
    if (this.weightsForm === 'int4' && exact?.bits !== 4) return { bits: 4, hasMinima: true };
    return exact ?? (this.weightsForm === 'int8' ? { bits: 8, hasMinima: false } : undefined);
  }

  private packMatrix(tensor: string, piece: Omit<Piece, 'offset'>): Matrix {
    const { source, rows, held } = piece as { held: Extract<Held, { as: 'blocks' }> } & typeof piece;
    this.uses(source, (source.length / source.shape[0]!) * (rows ? rows[1] - rows[0] : source.shape[0]!));
    const { rows: out, columns, codes, scales, minima } = this.pack(piece);
    const blocks = columns / BLOCK;
    const name = this.unused(rows ? `${tensor}[${rows[0]}:${rows[1]}]` : tensor);
    const part = (end: string) => this.unused(`${name}.${end}`);
    const matrix: Matrix = { codes: part('codes'), scales: part('scales') };
    this.external(matrix.codes, 'uint8', [out, blocks, (BLOCK * held.bits) / 8], codes);
    this.external(matrix.scales, held.floats, [out * blocks], scales);
    if (held.hasMinima) {
      matrix.minima = part('minima');
      this.external(matrix.minima, held.floats, [blocks, out], minima);
    }
    return matrix;
  }

  /** Sums of x over each block of its last axis; asked again, the same value. */
  private blockSums(x: Value, name: string): Value {
    const key = `${x}|block sums`;
    const seen = this.known.get(key);
    if (seen !== undefined) return seen;
    const shape = this.node('Shape', [x], { name, attributes: { end: -1 } });
    const split = this.node('Concat', [shape, this.ints([-1, BLOCK])], { name, attributes: { axis: 0 } });
    const blocks = this.node('Reshape', [x, split], { name });
    const sums = this.node('ReduceSum', [blocks, this.ints([-1])], { name, attributes: { keepdims: 0 } });
    this.known.set(key, sums);
    return sums;
  }

  private uses({ file, version }: StoredTensor, length: number): void {
    this.files.add(file);
    this.weightBytes += length;
    if (version !== undefined) this.versions.set(file, version);
  }

  private pack(piece: Omit<Piece, 'offset'>) {
    const places = placesOf(piece, this.packedBytes);
    this.pieces.push({ ...piece, offset: this.packedBytes });
    this.packedBytes = places.end;
    return places;
  }

  /** @param file - its name; absent: the packed file */
  private external(
    name: string,
    dtype: OnnxDtype,
    dims: readonly number[],
    { offset, length }: { offset: number; length: number },
    file?: string,
  ): void {
    this.initializers.push({ name, dtype, dims, held: { file, offset, length } });
  }

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
  ): [down: Value, up: Value] | undefined {
    if (this.adapters !== 'all' && this.adapters !== kind) return undefined;
    // A name for each layer: where two dimensions share one, onnxruntime takes them for equal when it reuses memory.
    const [down, up] = shapes(`${path}.rank`);
    return [this.enter(`${path}.lora_down`, down), this.enter(`${path}.lora_up`, up)];
  }

  /**
   * The vector inputs of a layer or a normalization, or undefined where the graph has none for its kind.
   *
   * @param kind - the least a graph must adapt for this layer to be among it; undefined for normalizations
   */
  vectors<Role extends AdapterVector>(
    path: string,
    kind: Exclude<Adapters, 'none'> | undefined,
    shapes: Readonly<Record<Role, readonly number[]>>,
  ): Record<Role, Value> | undefined {
    if (!this.takesVectors || (kind && this.adapters !== 'all' && this.adapters !== kind)) return undefined;
    const values = {} as Record<Role, Value>;
    for (const role of Object.keys(shapes) as Role[]) values[role] = this.enter(`${path}.lora_${role}`, shapes[role]);
    return values;
  }

  /** Whole numbers: shapes, axes, sizes. A bare number is a scalar. */
  ints(values: number | readonly number[]): Value {
    const list = typeof values === 'number' ? [values] : values;
    const odd = list.find((value) => !Number.isInteger(value));
    if (odd !== undefined) {
      throw new GraphError(`The shapes of the weights do not match: ${odd} is not a whole number.`);
    }
    const data = new DataView(new ArrayBuffer(list.length * 8));
    for (const [index, value] of list.entries()) data.setBigInt64(index * 8, BigInt(value), true);
    const shape = typeof values === 'number' ? [] : [list.length];
    return this.constant('int64', shape, new Uint8Array(data.buffer), list);
  }

  /** float32, whatever the precision of the graph (timesteps and scales of Resize need it). */
  floats(values: number | readonly number[], shape?: readonly number[]): Value {
    const list = typeof values === 'number' ? [values] : values;
    const data = new DataView(new ArrayBuffer(list.length * 4));
    for (const [index, value] of list.entries()) data.setFloat32(index * 4, value, true);
    const dims = shape ?? (typeof values === 'number' ? [] : [list.length]);
    return this.constant('float32', dims, new Uint8Array(data.buffer), list);
  }

  cast(value: Value, to: OnnxDtype, name: string): Value {
    return this.node('Cast', [value], { name, attributes: { to: dataTypes[to] } });
  }

  /** A value in the precision of the graph as float32. */
  widen(value: Value, name: string): Value {
    return this.precision === 'float32' ? value : this.cast(value, 'float32', name);
  }

  /** A float32 value in the precision of the graph. */
  inPrecision(value: Value, name: string): Value {
    return this.precision === 'float32' ? value : this.cast(value, this.precision, name);
  }

  /** What `compute` makes of values: of float32 ones where the graph computes this operator in float32. */
  delicately(
    operator: DelicateOperator,
    values: readonly Value[],
    name: string,
    compute: (...values: Value[]) => Value,
  ): Value {
    return this.widely(this.widened.includes(operator), values, name, compute);
  }

  /** What `compute` makes of values: of float32 ones if `wide`, whatever the precision of the graph. */
  widely(wide: boolean, values: readonly Value[], name: string, compute: (...values: Value[]) => Value): Value {
    if (!wide || this.precision === 'float32') return compute(...values);
    return this.cast(compute(...values.map((value) => this.cast(value, 'float32', name))), this.precision, name);
  }

  /** The same rows for each row of a batch: [batch, ...shape], where `like` has the batch. */
  repeated(value: Value, like: Value, shape: readonly number[], name: string): Value {
    const batch = this.node('Shape', [like], { name, attributes: { start: 0, end: 1 } });
    const whole = this.node('Concat', [batch, this.ints(shape)], { name, attributes: { axis: 0 } });
    return this.node('Expand', [value, whole], { name });
  }

  /** One number in the precision of the graph. */
  scalar(value: number): Value {
    return this.inPrecision(this.floats(value), `scalar/${value}`);
  }

  /** Writes the model: opset 18 and onnxruntime's own operators, version 1. */
  finish(graphName: string): Written {
    const packing = this.packs ? packingOf(this.pieces, this.packedBytes) : undefined;
    let written: ReturnType<GraphBuilder['serialize']> | undefined;
    const serialized = () => {
      written ??= this.serialize(graphName, packing?.name ?? '');
      return written;
    };
    return {
      get bytes() {
        return serialized().bytes;
      },
      get structure() {
        return serialized().structure;
      },
      files: [...this.files],
      versions: this.versions,
      weightBytes: this.weightBytes,
      packing,
    };
  }

  private serialize(graphName: string, packed: string): { bytes: Uint8Array<ArrayBuffer>; structure: string } {
    const structure = createHash('sha256');
    const writer = new BinaryWriter();
    writer.tag(1, WireType.Varint).int64(9);
    writer.tag(2, WireType.LengthDelimited).string('latentwire');
    writer.tag(7, WireType.LengthDelimited).fork();
    for (const node of this.nodes) {
      const bytes = nodeProto(node);
      writer.tag(1, WireType.LengthDelimited).bytes(bytes);
      structure.update(bytes);
    }
    writer.tag(2, WireType.LengthDelimited).string(graphName);
    for (const { name, dtype, dims, held } of this.initializers) {
      const isInline = 'bytes' in held;
      const bytes = isInline
        ? inlineInitializer(name, dtype, dims, held.bytes)
        : externalInitializer(name, dtype, dims, held.file ?? packed, held.offset, held.length);
      writer.tag(5, WireType.LengthDelimited).bytes(bytes);
      structure.update(isInline ? bytes : tensorProto(name, dtype, dims).finish());
    }
    for (const [field, values] of [
      [11, this.inputs],
      [12, this.outputs],
      [13, this.shapesWithin()],
    ] as const) {
      for (const { name, dtype, shape } of values) {
        const bytes = valueInfo(name, dtype, shape);
        writer.tag(field, WireType.LengthDelimited).bytes(bytes);
        structure.update(bytes);
      }
    }
    writer.join();
    for (const [domain, version] of [
      ['', 18],
      ['com.microsoft', 1],
    ] as const) {
      writer.tag(8, WireType.LengthDelimited).fork();
      writer.tag(1, WireType.LengthDelimited).string(domain);
      writer.tag(2, WireType.Varint).int64(version);
      writer.join();
    }
    return { bytes: writer.finish(), structure: structure.digest('hex').slice(0, 32) };
  }

  /** Shapes of what nodes give to one another, see `Shapes`. */
  private shapesWithin(): Border[] {
    const shapes = new Shapes();
    for (const { name, dtype, shape } of this.inputs) shapes.set(name, dtype, shape);
    for (const { name, dtype, dims, held } of this.initializers) {
      shapes.set(name, dtype, dims, 'contents' in held ? held.contents : undefined);
    }
    return this.nodes.flatMap(({ type, inputs, outputs, attributes = {}, like }) =>
      outputs.flatMap((name) => {
        if (like === undefined) shapes.infer(name, type, inputs, attributes, castTo(type, attributes));
        else shapes.infer(name, 'Identity', [like], {});
        const shaped = shapes.of(name);
        if (!shaped?.shape.some((dim) => typeof dim === 'string') || this.outputNames.has(name)) return [];
        // Where these are known, onnxruntime makes one operator of two: of a convolution and the Add behind it, and of a MatMul
        // of rows and its Add. That adds up in another order, so that a picture would depend on what else the graph takes.
        if (type === 'Conv' || shaped.shape.length < 3) return [];
        return [{ name, ...shaped }];
      }),
    );
  }

  private constant(dtype: OnnxDtype, shape: readonly number[], bytes: Uint8Array, contents: readonly number[]): Value {
    const key = `constant|${dtype}|${shape}|${Buffer.from(bytes).toString('base64')}`;
    const seen = this.known.get(key);
    if (seen !== undefined) return seen;
    const name = this.unused('constant');
    this.initializers.push({ name, dtype, dims: shape, held: { bytes, contents } });
    this.known.set(key, name);
    return name;
  }

  private stored(tensor: string): StoredTensor {
    const stored = this.tensors.get(tensor);
    if (!stored) throw new GraphError(`The weights have no tensor "${tensor}".`);
    if (stored.shape.some((size) => size < 1 || size > LARGEST_AXIS)) {
      throw new GraphError(`The tensor "${tensor}" has the shape [${stored.shape.join(', ')}], which has no values.`);
    }
    return stored;
  }

  private unused(name: string): string {
    let candidate = name;
    for (let i = 1; this.names.has(candidate); i++) candidate = `${name}_${i}`;
    this.names.add(candidate);
    return candidate;
  }
}

/** Where rows of a tensor lie whose halves are swapped in the file. */
function swappedStart(tensor: string, { shape }: StoredTensor, rows: readonly [number, number] | undefined): number {
  const half = shape[0]! / 2;
  if (!rows || (rows[0] < half && rows[1] > half)) {
    throw new GraphError(
      `The halves of the tensor "${tensor}" are stored in another order and must be read separately.`,
    );
  }
  return rows[0] < half ? rows[0] + half : rows[0] - half;
}

function count(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

/** What a Cast gives. */
function castTo(type: string, { to }: NonNullable<Node['attributes']>): OnnxDtype | undefined {
  if (type !== 'Cast') return undefined;
  return (Object.keys(dataTypes) as OnnxDtype[]).find((dtype) => dataTypes[dtype] === to);
}

/** Numbers that the format has no place for are told while the graph is written, which may be to see whether it can be. */
function checkNumbers(values: readonly (Attribute | undefined)[], name: string): void {
  const fits = (value: Attribute | undefined): boolean => {
    if (typeof value === 'number') return Number.isSafeInteger(value);
    if (typeof value !== 'object') return true;
    return 'float' in value ? Number.isFinite(Math.fround(value.float)) : value.every(Number.isSafeInteger);
  };
  const odd = values.find((value) => !fits(value));
  if (odd !== undefined) {
    throw new GraphError(
      `The numbers of ${name} do not fit one another: ${JSON.stringify(odd)} has no place in a graph.`,
    );
  }
}

function nodeProto(node: Node): Uint8Array {
  const writer = new BinaryWriter();
  for (const input of node.inputs) writer.tag(1, WireType.LengthDelimited).string(input);
  for (const output of node.outputs) writer.tag(2, WireType.LengthDelimited).string(output);
  writer.tag(3, WireType.LengthDelimited).string(node.name);
  writer.tag(4, WireType.LengthDelimited).string(node.type);
  for (const [name, value] of Object.entries(node.attributes ?? {})) {
    if (value === undefined) continue;
    writer.tag(5, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(name);
    if (typeof value === 'number') {
      writer.tag(3, WireType.Varint).int64(value).tag(20, WireType.Varint).int32(2);
    } else if (typeof value === 'string') {
      writer.tag(4, WireType.LengthDelimited).string(value).tag(20, WireType.Varint).int32(3);
    } else if ('float' in value) {
      writer.tag(2, WireType.Bit32).float(value.float).tag(20, WireType.Varint).int32(1);
    } else {
      for (const item of value) writer.tag(8, WireType.Varint).int64(item);
      writer.tag(20, WireType.Varint).int32(7);
    }
    writer.join();
  }
  if (microsoftOperators.has(node.type)) writer.tag(7, WireType.LengthDelimited).string('com.microsoft');
  return writer.finish();
}

function valueInfo(name: string, dtype: OnnxDtype, shape: readonly (number | string)[]): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).string(name);
  writer.tag(2, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.Varint).int32(dataTypes[dtype]);
  writer.tag(2, WireType.LengthDelimited).fork();
  for (const dim of shape) {
    writer.tag(1, WireType.LengthDelimited).fork();
    if (typeof dim === 'number') writer.tag(1, WireType.Varint).int64(dim);
    else writer.tag(2, WireType.LengthDelimited).string(dim);
    writer.join();
  }
  return writer.join().join().join().finish();
}

function inlineInitializer(name: string, dtype: OnnxDtype, shape: readonly number[], bytes: Uint8Array): Uint8Array {
  const writer = tensorProto(name, dtype, shape);
  return writer.tag(9, WireType.LengthDelimited).bytes(bytes).finish();
}

function externalInitializer(
  name: string,
  dtype: OnnxDtype,
  shape: readonly number[],
  location: string,
  offset: number,
  length: number,
): Uint8Array {
  const writer = tensorProto(name, dtype, shape);
  for (const [key, value] of Object.entries({ location, offset: String(offset), length: String(length) })) {
    writer.tag(13, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(key);
    writer.tag(2, WireType.LengthDelimited).string(value);
    writer.join();
  }
  return writer.tag(14, WireType.Varint).int32(1).finish();
}

function tensorProto(name: string, dtype: OnnxDtype, shape: readonly number[]): BinaryWriter {
  const writer = new BinaryWriter();
  for (const dim of shape) writer.tag(1, WireType.Varint).int64(dim);
  writer.tag(2, WireType.Varint).int32(dataTypes[dtype]);
  writer.tag(8, WireType.LengthDelimited).string(name);
  return writer;
}
