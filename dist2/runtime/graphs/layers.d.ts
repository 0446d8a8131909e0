import { type GraphBuilder, type Value } from './builder.ts';
/** y = x Wᵀ + b over the last axis. `path` names `weight` (out × in) and, where stored, `bias`. */
export declare function linear(
  graph: GraphBuilder,
  x: Value,
  path: string,
  options?: {
    rows?: readonly [number, number];
    bias?: boolean;
  },
): Value;
/** x Wᵀ alone, for a bias that is added by whatever comes next. A 1×1 convolution's weight is read as a matrix. */
export declare function linearProduct(
  graph: GraphBuilder,
  x: Value,
  path: string,
  rows?: readonly [number, number],
): Value;
/** Two-dimensional y = x Wᵀ + b in one node; `x` is [rows, in]. */
export declare function dense(graph: GraphBuilder, x: Value, path: string): Value;
/** A convolution over [batch, channels, height, width]. `pads` is top, left, bottom, right; default keeps the size. */
export declare function conv(
  graph: GraphBuilder,
  x: Value,
  path: string,
  options?: {
    stride?: number;
    pads?: readonly [number, number, number, number];
  },
): Value;
/**
 * Group normalization of [batch, channels, height, width], then a scale and a shift per channel.
 *
 * Written as an instance normalization over [batch, groups, …]: that needs no Shape node, because 0 in a Reshape keeps
 * the axis and -1 takes what is left, and every provider has it (onnxruntime has no GroupNorm kernel on the CPU).
 */
export declare function groupNorm(graph: GraphBuilder, x: Value, path: string, groups: number, epsilon: number): Value;
/** x · sigmoid(x): QuickGelu with alpha 1, one node instead of two. */
export declare function silu(graph: GraphBuilder, x: Value, name: string): Value;
/** x · Φ(x) by its approximation with tanh (Hendrycks and Gimpel 2016, arXiv 1606.08415), which T5, FLUX and SD 3 were trained with. */
export declare function geluTanh(graph: GraphBuilder, x: Value, name: string): Value;
/** Layer normalization over the last axis. */
export declare function layerNorm(graph: GraphBuilder, x: Value, path: string, epsilon: number): Value;
/**
 * sum = x + bias + skip, and the layer normalization of that sum: [normalized, sum]. Every transformer block needs both.
 * Not onnxruntime's SkipLayerNormalization: on the CPU it takes ten times as long as these three nodes.
 */
export declare function addAndNorm(
  graph: GraphBuilder,
  x: Value,
  skip: Value,
  bias: Value,
  path: string,
  epsilon: number,
): [normalized: Value, sum: Value];
/**
 * softmax(q kᵀ · scale + bias) v for q, k, v of [batch, length, heads · d].
 *
 * @param options.width - heads · d
 * @param options.scale - default 1 / √d
 * @param options.bias - [1, heads, length, length of the keys]; default none
 * @param options.causal - hide what comes later
 * @param options.mask - int32 [batch, length of the keys], 0 hides a key
 * @param options.upcast - in float32, whatever the precision of the graph
 */
export declare function attention(
  graph: GraphBuilder,
  query: Value,
  key: Value,
  value: Value,
  name: string,
  options: {
    heads: number;
    width: number;
    scale?: number;
    bias?: Value;
    causal?: boolean;
    mask?: Value;
    upcast?: boolean;
  },
): Value;
/** Twice the height and width by repeating pixels, or exactly the height and width of `like`. */
export declare function upsample(graph: GraphBuilder, x: Value, name: string, like?: Value): Value;
/** The feed-forward half of a block: x · gelu(gate), then a linear layer whose bias is left to the caller. */
export declare function gegluProduct(graph: GraphBuilder, x: Value, path: string): Value;
