import { type GraphBuilder, type Value } from './builder.ts';
/** x / √(mean(x²) + ε) · weight over the last axis; `x` and the result are wide. */
export declare function rmsNorm(graph: GraphBuilder, x: Value, path: string, epsilon: number): Value;
/** Layer normalization over the last axis of `width` channels, without weights; `x` and the result are wide. */
export declare function plainLayerNorm(
  graph: GraphBuilder,
  x: Value,
  name: string,
  width: number,
  epsilon: number,
): Value;
/** x · (1 + scale) + shift, all wide; `scale` and `shift` are [batch, 1, width]. */
export declare function modulate(graph: GraphBuilder, x: Value, name: string, scale: Value, shift?: Value): Value;
/** sum + gate · y: `sum`, `gate` and the result are wide, `y` is in the precision of the graph. */
export declare function addGated(graph: GraphBuilder, sum: Value, y: Value, name: string, gate?: Value): Value;
/**
 * One linear layer of a vector as `count` equal parts, each wide and [batch, 1, width]: shifts, scales and gates.
 *
 * @param vector - [batch, in], in the precision of the graph
 */
export declare function modulationParts(graph: GraphBuilder, vector: Value, path: string, count: number): Value[];
/** Shift, scale and gate of one half of a block, each wide and [batch, 1, width]. */
export type Modulation = readonly [shift: Value, scale: Value, gate: Value];
/** One linear layer of a vector as `count` modulations, one after the other. */
export declare function modulations(graph: GraphBuilder, vector: Value, path: string, count: number): Modulation[];
/** The modulated layer normalization of a wide sum, in the precision of the graph. */
export declare function modulatedNorm(
  graph: GraphBuilder,
  x: Value,
  name: string,
  [shift, scale]: readonly [shift: Value, scale: Value, ...rest: Value[]],
  width: number,
  epsilon: number,
): Value;
/** Scale and shift of a final layer, whose halves may lie in the file in either order. */
export declare function modulationHalves(
  graph: GraphBuilder,
  vector: Value,
  path: string,
): [scale: Value, shift: Value];
/** `x` from `start` to before `end` along one axis. */
export declare function slice(
  graph: GraphBuilder,
  x: Value,
  axis: number,
  start: number | Value,
  end: number | Value,
  name: string,
): Value;
/** One size of `x` as a vector of one whole number. */
export declare function sizeOf(graph: GraphBuilder, x: Value, axis: number, name: string): Value;
/** A slice up to here ends where the axis ends. */
export declare const toTheEnd: number;
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
export declare function rotaryInputs(graph: GraphBuilder, head: number, batched: Value, interleaved: boolean): Rotary;
/** Rotates [batch, length, heads · head] by position; `x` and the result are wide. */
export declare function rotate(graph: GraphBuilder, x: Value, name: string, heads: number, rotary: Rotary): Value;
/**
 * The RMS normalization of each head of queries or keys: [batch, length, heads · head], in the precision of the graph → the
 * same, wide.
 */
export declare function headNorm(graph: GraphBuilder, x: Value, path: string, heads: number, epsilon: number): Value;
/** w2(silu(w1 x) · w3 x), the feed-forward part of most language models; of `gate`, `up` and `down` the paths. */
export declare function gatedFeedForward(
  graph: GraphBuilder,
  x: Value,
  name: string,
  { gate, up, down }: Record<'gate' | 'up' | 'down', string>,
): Value;
/**
 * `x` within what float16 holds, in a float16 graph: an infinite value would become a NaN in the next product, and published
 * FLUX and Z-Image weights do reach it.
 */
export declare function bounded(graph: GraphBuilder, x: Value, name: string): Value;
/**
 * Sinusoidal encoding of a time (Vaswani et al. 2017, section 3.5) with cosines first: wide [batch] → [batch, width], in the
 * precision of the graph.
 */
export declare function timeWaves(graph: GraphBuilder, time: Value, width: number, name: string): Value;
/** How many modules `<path>.0`, `<path>.1`, … have a tensor of that name. */
export declare function countModules(graph: GraphBuilder, path: string, tensor: string): number;
/** Vectors of tokens, [batch, length, width], wide; `ids` is int64 [batch, length]. */
export declare function embedTokens(graph: GraphBuilder, ids: Value, path: string): Value;
