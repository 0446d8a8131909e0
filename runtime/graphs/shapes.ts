import type { Attribute, OnnxDtype, Value } from './builder.ts';

/** A number, or the name of a free dimension; of a product of both, its factors with `*` between them. */
export type Dim = number | string;

/** What is known of a value that a node gives. */
export interface Shaped {
  dtype: OnnxDtype;
  shape: readonly Dim[];
}

type Attributes = Readonly<Record<string, Attribute | undefined>>;

/**
 * Shapes of values, as far as they follow from those of a graph's inputs and weights.
 *
 * onnxruntime infers them too, but no name of a free dimension outlives a convolution or a Reshape there. It gives a value
 * the memory of another one only where both have the same shape by these names, and compares each with all that were left
 * over before: without names nothing fits, and opening a UNet takes the square of its nodes, most of all the time.
 */
export class Shapes {
  private readonly known = new Map<Value, Shaped>();
  /** The values of constants, and of shapes that nodes read off. */
  private readonly contents = new Map<Value, readonly Dim[]>();

  of(value: Value): Shaped | undefined {
    return this.known.get(value);
  }

  set(value: Value, dtype: OnnxDtype, shape: readonly Dim[], contents?: readonly Dim[]): void {
    this.known.set(value, { dtype, shape });
    if (contents) this.contents.set(value, contents);
  }

  /** Takes note of what a node gives, where that is known. @param dtype - default: that of the first input */
  infer(output: Value, type: string, inputs: readonly Value[], attributes: Attributes, dtype?: OnnxDtype): void {
    const contents = this.contentsAfter(type, inputs, attributes);
    if (contents) {
      this.set(output, 'int64', [contents.length], contents);
      return;
    }
    const shape = this.shapeAfter(type, inputs, attributes);
    if (shape) this.set(output, dtype ?? this.known.get(inputs[0]!)!.dtype, shape);
  }

  private contentsAfter(type: string, inputs: readonly Value[], { start = 0, end }: Attributes) {
    if (type === 'Shape') {
      return this.known.get(inputs[0]!)?.shape.slice(start as number, end as number | undefined);
    }
    if (type !== 'Concat') return undefined;
    const parts = inputs.map((input) => this.contents.get(input));
    return parts.every((part) => part !== undefined) ? parts.flat() : undefined;
  }

  private shapeAfter(type: string, inputs: readonly Value[], attributes: Attributes): readonly Dim[] | undefined {
    const [x, y, z] = inputs.map((input) => this.known.get(input)?.shape);
    if (!x) return undefined;
    switch (type) {
      case 'BiasGelu':
      case 'Cast':
      case 'Cos':
      case 'FastGelu':
      case 'Gelu':
      case 'Identity':
      case 'InstanceNormalization':
      case 'LayerNormalization':
      case 'LeakyRelu':
      case 'PRelu':
      case 'QuickGelu':
      case 'Relu':
      case 'RotaryEmbedding':
      case 'SimplifiedLayerNormalization':
      case 'Sin':
      case 'Softmax':
      case 'Sqrt':
      case 'Tanh':
        return x;
      case 'Add':
      case 'Div':
      case 'Mul':
      case 'Sub':
        return y && broadcast(x, y);
      case 'Conv':
        return y && convolved(x, y, attributes);
      case 'FusedMatMul':
      case 'Gemm':
      case 'MatMul':
        return y && product(x, y, attributes.transB === 1);
      case 'MatMulNBits':
        return [...x.slice(0, -1), attributes.N as number];
      case 'MultiHeadAttention':
        return z && x.length === 3 && z.length === 3 ? [...x.slice(0, 2), z[2]!] : undefined;
      case 'Reshape':
        return reshaped(x, this.contents.get(inputs[1]!));
      case 'Resize':
        return this.resized(x, inputs, attributes);
      case 'SpaceToDepth':
        return blocked(x, 1 / (attributes.blocksize as number));
      case 'DepthToSpace':
        return blocked(x, attributes.blocksize as number);
      case 'Gather':
        return y && gathered(x, y, (attributes.axis ?? 0) as number);
      case 'Squeeze':
        return squeezed(x, this.contents.get(inputs[1]!));
      case 'Unsqueeze':
        return unsqueezed(x, this.contents.get(inputs[1]!));
      case 'Slice':
        return this.sliced(x, inputs);
      case 'Transpose':
        return (attributes.perm as number[]).map((axis) => x[axis]!);
      case 'Concat':
        return concatenated(
          inputs.map((input) => this.known.get(input)?.shape),
          attributes.axis as number,
        );
      default:
        return undefined;
    }
  }

  /** Where the axes that are cut have numbers. */
  private sliced(x: readonly Dim[], [, ...rest]: readonly Value[]): readonly Dim[] | undefined {
    const [starts, ends, axes, steps] = rest.map((value) => this.contents.get(value));
    if (!starts || !ends || !axes || steps) return undefined;
    const shape = [...x];
    for (const [index, axis] of axes.entries()) {
      const [size, start, end] = [x.at(Number(axis)), starts[index], ends[index]];
      if (typeof size !== 'number' || typeof start !== 'number' || typeof end !== 'number') return undefined;
      const from = start < 0 ? size + start : start;
      shape[(Number(axis) + x.length) % x.length] = Math.min(size, end < 0 ? size + end : end) - from;
    }
    return shape;
  }

  private resized(x: readonly Dim[], [, , scales, sizes]: readonly Value[], { axes }: Attributes) {
    if (sizes !== undefined) {
      const wanted = this.contents.get(sizes);
      return wanted && x.map((dim, axis) => wanted[(axes as number[]).indexOf(axis)] ?? dim);
    }
    const factors = this.contents.get(scales ?? '');
    return factors && x.map((dim, axis) => times([dim, factors[axis]!]));
  }
}

function broadcast(x: readonly Dim[], y: readonly Dim[]): readonly Dim[] | undefined {
  const rank = Math.max(x.length, y.length);
  const shape: Dim[] = [];
  for (let axis = -rank; axis < 0; axis++) {
    const [a, b] = [x.at(axis) ?? 1, y.at(axis) ?? 1].map((dim, at, both) => (dim === 1 ? both[1 - at]! : dim));
    // A free dimension beside a number above 1 is that number or 1.
    const sizes = [a!, b!].filter((dim, at, both) => typeof dim === 'number' || typeof both[1 - at] !== 'number');
    if (sizes.length === 2 && a !== b) return undefined;
    shape.push(sizes[0]!);
  }
  return shape;
}

function convolved(
  [batch, , ...space]: readonly Dim[],
  [channels, , ...window]: readonly Dim[],
  attributes: Attributes,
) {
  const { pads = [], strides = [] } = attributes as Record<string, readonly number[] | undefined>;
  const sizes = space.map((dim, axis) => {
    const [stride, kernel] = [strides[axis] ?? 1, Number(window[axis])];
    const more = (pads[axis] ?? 0) + (pads[axis + space.length] ?? 0) - kernel;
    if (stride === 1 && more === -1) return dim;
    return typeof dim === 'number' ? Math.floor((dim + more) / stride) + 1 : `(${nested(dim)}${more})/${stride}`;
  });
  return [batch!, channels!, ...sizes];
}

function product(x: readonly Dim[], y: readonly Dim[], transposed: boolean): readonly Dim[] | undefined {
  if (x.length < 2 || y.length < 2) return undefined;
  const outer = broadcast(x.slice(0, -2), y.slice(0, -2));
  return outer && [...outer, x.at(-2)!, y.at(transposed ? -2 : -1)!];
}

function concatenated(shapes: readonly (readonly Dim[] | undefined)[], axis: number): readonly Dim[] | undefined {
  const [first] = shapes;
  if (!first || !shapes.every((shape) => shape?.length === first.length)) return undefined;
  const at = axis < 0 ? axis + first.length : axis;
  const dims = shapes.map((shape) => shape![at]!);
  const whole = dims.every((dim) => typeof dim === 'number')
    ? dims.reduce((sum, dim) => sum + dim, 0)
    : `(${dims.map(nested).join('+')})`;
  return first.with(at, whole);
}

/** 0 keeps an axis, and -1 takes what is left. */
function reshaped(x: readonly Dim[], wanted: readonly Dim[] | undefined): readonly Dim[] | undefined {
  if (!wanted) return undefined;
  const shape = wanted.map((dim, axis) => (dim === 0 ? x[axis] : dim));
  if (shape.includes(undefined)) return undefined;
  const left = shape.indexOf(-1);
  if (left < 0) return shape as Dim[];
  const rest = quotient(times(x), times((shape as Dim[]).toSpliced(left, 1)));
  return rest === undefined ? undefined : (shape as Dim[]).with(left, rest);
}

/** Rows of an axis by their numbers. */
function gathered(x: readonly Dim[], rows: readonly Dim[], axis: number): readonly Dim[] {
  return x.toSpliced(axis < 0 ? axis + x.length : axis, 1, ...rows);
}

function squeezed(x: readonly Dim[], axes: readonly Dim[] | undefined): readonly Dim[] | undefined {
  const gone = axes?.map((axis) => (Number(axis) + x.length) % x.length);
  return gone && x.filter((_, axis) => !gone.includes(axis));
}

function unsqueezed(x: readonly Dim[], axes: readonly Dim[] | undefined): readonly Dim[] | undefined {
  if (!axes) return undefined;
  const rank = x.length + axes.length;
  const shape = [...x];
  for (const axis of axes.map((each) => (Number(each) + rank) % rank).sort((a, b) => a - b)) shape.splice(axis, 0, 1);
  return shape;
}

/** Of [batch, channels, height, width], with pixels moved into channels or out of them. */
function blocked([batch, channels, ...space]: readonly Dim[], size: number): readonly Dim[] | undefined {
  const scaled = (dim: Dim, by: number) => {
    if (typeof dim === 'number') return dim * by;
    return by >= 1 ? times([dim, by]) : `(${nested(dim)}/${1 / by})`;
  };
  if (typeof channels !== 'number') return undefined;
  return [batch!, channels / size ** 2, ...space.map((dim) => scaled(dim, size))];
}

function times(dims: readonly Dim[]): Dim {
  let factor = 1;
  const names: string[] = [];
  for (const part of dims.flatMap(factors)) {
    if (typeof part === 'number') factor *= part;
    else names.push(part);
  }
  if (names.length === 0) return factor;
  return [...(factor === 1 ? [] : [factor]), ...names.sort()].join('*');
}

/** Undefined where it is no product. */
function quotient(dividend: Dim, divisor: Dim): Dim | undefined {
  let factor = 1;
  const names: string[] = [];
  for (const part of factors(dividend)) {
    if (typeof part === 'number') factor *= part;
    else names.push(part);
  }
  for (const part of factors(divisor)) {
    if (typeof part === 'number') factor /= part;
    else if (names.includes(part)) names.splice(names.indexOf(part), 1);
    else return undefined;
  }
  return Number.isInteger(factor) ? times([factor, ...names]) : undefined;
}

const factors = (dim: Dim): Dim[] =>
  typeof dim === 'number' ? [dim] : dim.split('*').map((part) => (/^\d+$/.test(part) ? Number(part) : part));

/** As part of the name of another dimension, which is no product. */
const nested = (dim: Dim): string => String(dim).replaceAll('*', '·');
