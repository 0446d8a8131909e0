import { type GraphBuilder, GraphError, type Value } from './builder.ts';
import { linear, silu } from './layers.ts';

// In these functions `wide` means float32 whatever the precision of the graph; see `float32Parts` for why.

/** x / √(mean(x²) + ε) · weight over the last axis; `x` and the result are wide. */
export function rmsNorm(graph: GraphBuilder, x: Value, path: string, epsilon: number): Value {
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
export function plainLayerNorm(graph: GraphBuilder, x: Value, name: string, width: number, epsilon: number): Value {
  const ones = graph.floats(new Array<number>(width).fill(1));
  return graph.node('LayerNormalization', [x, ones], { name, attributes: { axis: -1, epsilon: { float: epsilon } } });
}

/** x · (1 + scale) + shift, all wide; `scale` and `shift` are [batch, 1, width]. */
export function modulate(graph: GraphBuilder, x: Value, name: string, scale: Value, shift?: Value): Value {
  const factor = graph.node('Add', [scale, graph.floats(1)], { name });
  const scaled = graph.node('Mul', [x, factor], { name });
  return shift === undefined ? scaled : graph.node('Add', [scaled, shift], { name });
}

/** sum + gate · y: `sum`, `gate` and the result are wide, `y` is in the precision of the graph. */
export function addGated(graph: GraphBuilder, sum: Value, y: Value, name: string, gate?: Value): Value {
  const wide = graph.widen(y, name);
  return graph.node('Add', [sum, gate === undefined ? wide : graph.node('Mul', [wide, gate], { name })], { name });
}

/**
 * One linear layer of a vector as `count` equal parts, each wide and [batch, 1, width]: shifts, scales and gates.
 *
 * @param vector - [batch, in], in the precision of the graph
 */
export function modulationParts(graph: GraphBuilder, vector: Value, path: string, count: number): Value[] {
  const rows = graph.shapeOf(`${path}.weight`)[0]!;
  if (rows % count !== 0) throw new GraphError(`${path} has ${rows} rows, which is not a multiple of ${count}.`);
  const width = rows / count;
  const all = graph.node('Unsqueeze', [graph.widen(linear(graph, vector, path), path), graph.ints([1])], {
    name: path,
  });
  if (count === 1) return [all];
  return Array.from({ length: count }, (_, part) => slice(graph, all, 2, part * width, (part + 1) * width, path));
}

/** Shift, scale and gate of one half of a block, each wide and [batch, 1, width]. */
export type Modulation = readonly [shift: Value, scale: Value, gate: Value];

/** One linear layer of a vector as `count` modulations, one after the other. */
export function modulations(graph: GraphBuilder, vector: Value, path: string, count: number): Modulation[] {
  const parts = modulationParts(graph, vector, path, 3 * count);
  return Array.from({ length: count }, (_, i) => parts.slice(3 * i, 3 * i + 3) as [Value, Value, Value]);
}

/** The modulated layer normalization of a wide sum, in the precision of the graph. */
export function modulatedNorm(
  graph: GraphBuilder,
  x: Value,
  name: string,
  [shift, scale]: readonly [shift: Value, scale: Value, ...rest: Value[]],
  width: number,
  epsilon: number,
): Value {
  const normal = plainLayerNorm(graph, x, name, width, epsilon);
  return graph.inPrecision(modulate(graph, normal, name, scale, shift), name);
}

/** Scale and shift of a final layer, whose halves may lie in the file in either order. */
export function modulationHalves(graph: GraphBuilder, vector: Value, path: string): [scale: Value, shift: Value] {
  const half = graph.shapeOf(`${path}.weight`)[0]! / 2;
  return [0, 1].map((index) => {
    const part = linear(graph, vector, path, { rows: [index * half, (index + 1) * half] });
    return graph.node('Unsqueeze', [graph.widen(part, path), graph.ints([1])], { name: path });
  }) as [Value, Value];
}

/** `x` from `start` to before `end` along one axis. */
export function slice(
  graph: GraphBuilder,
  x: Value,
  axis: number,
  start: number | Value,
  end: number | Value,
  name: string,
): Value {
  const bound = (at: number | Value) => (typeof at === 'number' ? graph.ints([at]) : at);
  return graph.node('Slice', [x, bound(start), bound(end), graph.ints([axis])], { name });
}

/** One size of `x` as a vector of one whole number. */
export function sizeOf(graph: GraphBuilder, x: Value, axis: number, name: string): Value {
  return graph.node('Shape', [x], { name, attributes: { start: axis, end: axis + 1 } });
}

/** A slice up to here ends where the axis ends. */
export const toTheEnd = 2 ** 31 - 1;

/** How positions rotate queries and keys. */
export interface Rotary {
  /** Wide, [rows, head / 2]. */
  cos: Value;
  sin: Value;
  /** int64 [batch, length]: the row of each position. */
  positions: Value;
  /** Whether neighbours form the pairs that are rotated, and not a channel of each half. */
  interleaved: boolean;
}

/**
 * Tables that the host makes: the inputs `rotary_cos` and `rotary_sin`, float32 [batch · length, head / 2], with the
 * positions of one row of the batch after those of the one before it.
 *
 * @param batched - a value whose first axis is the batch
 */
export function rotaryInputs(graph: GraphBuilder, head: number, batched: Value, interleaved: boolean): Rotary {
  if (head % 2 !== 0) throw new GraphError(`Heads of ${head} channels cannot be rotated in pairs.`);
  const [cos, sin] = ['rotary_cos', 'rotary_sin'].map((name) =>
    graph.input(name, 'float32', ['positions', head / 2]),
  ) as [Value, Value];
  const name = 'rotary';
  const rows = graph.node('Squeeze', [sizeOf(graph, cos, 0, name), graph.ints([0])], { name });
  const range = graph.node('Range', [graph.ints(0), rows, graph.ints(1)], { name });
  const shape = graph.node('Concat', [sizeOf(graph, batched, 0, name), graph.ints([-1])], {
    name,
    attributes: { axis: 0 },
  });
  return { cos, sin, positions: graph.node('Reshape', [range, shape], { name }), interleaved };
}

/**
 * The tokens of the picture and, behind them, those of `reference` as far as the rotary tables have positions: a graph that
 * takes references is given one token to ignore where there are none, because some providers know no tensor without values.
 *
 * @param own - [batch, tokens, width]
 * @param states - of the text, [batch, length, …], whose positions come first
 */
export function withReference(
  graph: GraphBuilder,
  own: Value,
  reference: Value | undefined,
  rotary: Rotary,
  states: Value,
): Value {
  if (reference === undefined) return own;
  const name = 'reference';
  const all = graph.node('Concat', [own, reference], { name, attributes: { axis: 1 } });
  const [positions, text] = [rotary.positions, states].map((value) => sizeOf(graph, value, 1, name)) as [Value, Value];
  return slice(graph, all, 1, 0, graph.node('Sub', [positions, text], { name }), name);
}

/** Rotates [batch, length, heads · head] by position; `x` and the result are wide. */
export function rotate(graph: GraphBuilder, x: Value, name: string, heads: number, rotary: Rotary): Value {
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
  const half = (index: number) => graph.node('Gather', [pairs, graph.ints(index)], { name, attributes: { axis } });
  const row = (table: Value) => {
    const found = graph.node('Gather', [table, positions], { name });
    return graph.node('Unsqueeze', [found, graph.ints([2])], { name });
  };
  const [a, b, c, s] = [half(0), half(1), row(cos), row(sin)];
  const times = (u: Value, v: Value) => graph.node('Mul', [u, v], { name });
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
export function headNorm(graph: GraphBuilder, x: Value, path: string, heads: number, epsilon: number): Value {
  const split = graph.node('Reshape', [graph.widen(x, path), graph.ints([0, 0, heads, -1])], { name: path });
  const normal = rmsNorm(graph, split, path, epsilon);
  return graph.node('Reshape', [normal, graph.ints([0, 0, -1])], { name: path });
}

/** w2(silu(w1 x) · w3 x), the feed-forward part of most language models; of `gate`, `up` and `down` the paths. */
export function gatedFeedForward(
  graph: GraphBuilder,
  x: Value,
  name: string,
  { gate, up, down }: Record<'gate' | 'up' | 'down', string>,
): Value {
  const product = graph.node('Mul', [silu(graph, linear(graph, x, gate), name), linear(graph, x, up)], { name });
  return linear(graph, bounded(graph, product, name), down);
}

/**
 * `x` within what float16 holds, in a float16 graph: an infinite value would become a NaN in the next product, and published
 * FLUX and Z-Image weights do reach it.
 */
export function bounded(graph: GraphBuilder, x: Value, name: string): Value {
  if (graph.precision === 'float32') return x;
  return graph.node('Clip', [x, graph.scalar(-65504), graph.scalar(65504)], { name });
}

/**
 * Sinusoidal encoding of a time (Vaswani et al. 2017, section 3.5) with cosines first: wide [batch] → [batch, width], in the
 * precision of the graph.
 */
export function timeWaves(graph: GraphBuilder, time: Value, width: number, name: string): Value {
  if (width % 2 !== 0) throw new GraphError(`The time embedding has an odd width of ${width} (${name}).`);
  const half = width / 2;
  const frequencies = Array.from({ length: half }, (_, i) => Math.exp((-Math.log(10000) * i) / half));
  const column = graph.node('Unsqueeze', [time, graph.ints([1])], { name });
  const angles = graph.node('Mul', [column, graph.floats(frequencies)], { name });
  const waves = ['Cos', 'Sin'].map((type) => graph.node(type, [angles], { name }));
  return graph.inPrecision(graph.node('Concat', waves, { name, attributes: { axis: -1 } }), name);
}

/** How many modules `<path>.0`, `<path>.1`, … have a tensor of that name. */
export function countModules(graph: GraphBuilder, path: string, tensor: string): number {
  let count = 0;
  while (graph.has(`${path}.${count}.${tensor}`)) count++;
  return count;
}

/** Vectors of tokens, [batch, length, width], wide; `ids` is int64 [batch, length]. */
export function embedTokens(graph: GraphBuilder, ids: Value, path: string): Value {
  // Rows are cast after they are taken: a vocabulary of 150,000 words would take 1.5 GB in float32.
  const rows = graph.node('Gather', [graph.weight(`${path}.weight`, { precision: 'stored' }), ids], { name: path });
  return graph.cast(rows, 'float32', path);
}

/** Which part of a transformer a graph is, for the cache of what lies behind its first block. */
export interface CachedForm {
  /** Adds the outputs `first_residual` and `deep_features`. Default false. */
  deep?: boolean | undefined;
  /** Writes the first block alone, with the input `deep_features` and the output `first_residual`. Default false. */
  firstBlock?: boolean | undefined;
}

/**
 * What the first block adds to the picture's tokens, and what all others add after it, [batch, tokens, inner] each. The
 * first tells how much the second has changed since it was computed (first-block cache, after TeaCache: Liu et al. 2024,
 * arXiv 2411.19108).
 */
export class FirstBlock {
  private readonly graph: GraphBuilder;
  private readonly form: CachedForm;
  private readonly inner: number;
  private after: Value | undefined;

  constructor(graph: GraphBuilder, form: CachedForm, inner: number) {
    this.graph = graph;
    this.form = form;
    this.inner = inner;
  }

  /** Blocks to write of so many. */
  blocks(count: number): number {
    return this.form.firstBlock ? Math.min(1, count) : count;
  }

  /** Whether nothing follows the first block. */
  get isLast(): boolean {
    return this.form.firstBlock === true;
  }

  /** Told of the picture's tokens before and after the first block; they are wide. */
  done(before: Value, after: Value): void {
    this.after = after;
    if (!this.form.deep && !this.form.firstBlock) return;
    const change = this.graph.node('Sub', [after, before], { name: 'first_residual' });
    this.graph.leaveWide('first_residual', change, ['batch', 'picture_tokens', this.inner]);
  }

  /** The picture's tokens after the last block, from what the blocks that were written left. */
  last(picture: Value): Value {
    const shape = ['batch', 'picture_tokens', this.inner];
    if (this.form.firstBlock) {
      const kept = this.graph.enterWide('deep_features', shape);
      return this.graph.node('Add', [picture, kept], { name: 'deep_features' });
    }
    if (this.form.deep) {
      const change = this.graph.node('Sub', [picture, this.after!], { name: 'deep_features' });
      this.graph.leaveWide('deep_features', change, shape);
    }
    return picture;
  }
}
