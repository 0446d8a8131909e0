import { type GraphBuilder, GraphError, type Value } from './builder.ts';

/** y = x Wᵀ + b over the last axis. `path` names `weight` (out × in) and, where stored, `bias`. */
export function linear(
  graph: GraphBuilder,
  x: Value,
  path: string,
  options: { rows?: readonly [number, number]; bias?: boolean } = {},
): Value {
  const product = linearProduct(graph, x, path, options.rows);
  if (options.bias === false || !graph.has(`${path}.bias`)) return product;
  const bias = graph.weight(`${path}.bias`, { ...(options.rows && { rows: options.rows }) });
  return graph.node('Add', [product, bias], { name: path });
}

/** x Wᵀ alone, for a bias that is added by whatever comes next. A 1×1 convolution's weight is read as a matrix. */
export function linearProduct(graph: GraphBuilder, x: Value, path: string, rows?: readonly [number, number]): Value {
  const shape = graph.shapeOf(`${path}.weight`);
  const part = rows ? { rows } : { shape: shape.slice(0, 2) };
  const vectors = layerVectors(graph, path, 'linear', rows);
  const read = vectors ? changedBy(graph, x, vectors.input, path) : x;
  let product = graph.quantised(read, `${path}.weight`, path, rows);
  if (product === undefined) {
    product =
      graph.linear === 'fused'
        ? graph.node('FusedMatMul', [read, graph.weight(`${path}.weight`, part)], {
            name: path,
            attributes: { transB: 1 },
          })
        : graph.node('MatMul', [read, graph.weight(`${path}.weight`, { transpose: true, ...part })], { name: path });
  }
  if (vectors) product = changedBy(graph, product, vectors.output, path);
  const y = lowRankProduct(graph, product, x, path, 'linear', rows);
  return vectors ? graph.node('Add', [y, vectors.bias], { name: `${path}.lora` }) : y;
}

/** The vectors that adapters change a layer by, of `rows` of its weight; see `AdaptedForm`. */
function layerVectors(graph: GraphBuilder, path: string, kind: 'linear' | 'all', rows?: readonly [number, number]) {
  const [out, inner, ...window] = graph.shapeOf(`${path}.weight`) as [number, number, ...number[]];
  const spread = kind === 'all' && window.length > 0 ? [1, 1] : [];
  const vectors = graph.vectors(path, kind, {
    input: [inner, ...spread],
    output: [out, ...spread],
    bias: [out, ...spread],
  });
  if (!vectors || !rows) return vectors;
  const part = (value: Value) =>
    graph.node('Slice', [value, graph.ints([rows[0]]), graph.ints([rows[1]]), graph.ints([0])], {
      name: `${path}.lora`,
    });
  return { ...vectors, output: part(vectors.output), bias: part(vectors.bias) };
}

/** x + x · change: x itself, to the bit, where the change is 0. */
function changedBy(graph: GraphBuilder, x: Value, change: Value, path: string): Value {
  const name = `${path}.lora`;
  return graph.node('Add', [x, graph.node('Mul', [x, change], { name })], { name });
}

/** y + (y - bias) · change: what the weight alone gives is changed, and the bias is not. */
function weightChangedBy(graph: GraphBuilder, y: Value, bias: Value | undefined, change: Value, path: string): Value {
  if (bias === undefined) return changedBy(graph, y, change, path);
  const name = `${path}.lora`;
  const alone = graph.node('Sub', [y, bias], { name });
  return graph.node('Add', [y, graph.node('Mul', [alone, change], { name })], { name });
}

/**
 * y + x · down · up, where the graph adapts layers of this kind; else y. `rows` as in the layer.
 * A Gemm that adds to y in one node, or adding down · up to the weight at every run, takes no less time (bench/lora.ts).
 */
function lowRankProduct(
  graph: GraphBuilder,
  y: Value,
  x: Value,
  path: string,
  kind: 'linear' | 'all',
  rows?: readonly [number, number],
): Value {
  const [out, inner] = graph.shapeOf(`${path}.weight`) as [number, number];
  const adapter = graph.adapter(path, kind, (rank) => [
    [inner, rank],
    [rank, out],
  ]);
  if (!adapter) return y;
  const name = `${path}.lora`;
  const [down] = adapter;
  let [, up] = adapter;
  // Rows of a stored weight are columns here.
  if (rows) up = graph.node('Slice', [up, graph.ints([rows[0]]), graph.ints([rows[1]]), graph.ints([1])], { name });
  const low = graph.node('MatMul', [x, down], { name });
  return graph.node('Add', [y, graph.node('MatMul', [low, up], { name })], { name });
}

/** Two-dimensional y = x Wᵀ + b in one node; `x` is [rows, in]. */
export function dense(graph: GraphBuilder, x: Value, path: string): Value {
  const vectors = layerVectors(graph, path, 'all');
  const bias = graph.has(`${path}.bias`) ? graph.weight(`${path}.bias`) : undefined;
  const read = vectors ? changedBy(graph, x, vectors.input, path) : x;
  let y = graph.quantised(read, `${path}.weight`, path);
  if (y === undefined) {
    const inputs = [read, graph.weight(`${path}.weight`), ...(bias === undefined ? [] : [bias])];
    y = graph.node('Gemm', inputs, { name: path, attributes: { transB: 1 } });
  } else if (bias !== undefined) y = graph.node('Add', [y, bias], { name: path });
  if (vectors) y = weightChangedBy(graph, y, bias, vectors.output, path);
  y = lowRankProduct(graph, y, x, path, 'all');
  return vectors ? graph.node('Add', [y, vectors.bias], { name: `${path}.lora` }) : y;
}

/** A convolution over [batch, channels, height, width]. `pads` is top, left, bottom, right; default keeps the size. */
export function conv(
  graph: GraphBuilder,
  x: Value,
  path: string,
  options: { stride?: number; pads?: readonly [number, number, number, number] } = {},
): Value {
  const stored = graph.shapeOf(`${path}.weight`);
  // A linear layer over channels is a 1×1 convolution of the same bytes.
  const shape = stored.length === 2 ? [...stored, 1, 1] : stored;
  const [kernelHeight, kernelWidth] = [shape[2] ?? 1, shape[3] ?? 1];
  const vectors = graph.vectors(path, 'all', {
    input: [shape[1]!, 1, 1],
    output: [shape[0]!, 1, 1],
    bias: [shape[0]!, 1, 1],
  });
  const read = vectors ? changedBy(graph, x, vectors.input, path) : x;
  const inputs = [read, graph.weight(`${path}.weight`, { shape })];
  if (graph.has(`${path}.bias`)) inputs.push(graph.weight(`${path}.bias`));
  const [top, left] = [kernelHeight >> 1, kernelWidth >> 1];
  const attributes = {
    kernel_shape: [kernelHeight, kernelWidth],
    strides: [options.stride ?? 1, options.stride ?? 1],
    pads: options.pads ?? [top, left, top, left],
  };
  let y = graph.node('Conv', inputs, { name: path, attributes });
  const name = `${path}.lora`;
  if (vectors) {
    const bias = graph.has(`${path}.bias`) ? graph.weight(`${path}.bias`, { shape: [shape[0]!, 1, 1] }) : undefined;
    y = weightChangedBy(graph, y, bias, vectors.output, path);
    y = graph.node('Add', [y, vectors.bias], { name });
  }
  const adapter = graph.adapter(path, 'all', (rank) => [
    [rank, shape[1]!, kernelHeight, kernelWidth],
    [shape[0]!, rank, 1, 1],
  ]);
  if (!adapter) return y;
  const [down, up] = adapter;
  const low = graph.node('Conv', [x, down], { name, attributes });
  return graph.node('Add', [y, graph.node('Conv', [low, up], { name, attributes: { kernel_shape: [1, 1] } })], {
    name,
  });
}

/**
 * Group normalization of [batch, channels, height, width], then a scale and a shift per channel.
 *
 * Written as an instance normalization over [batch, groups, …]: that needs no Shape node, because 0 in a Reshape keeps
 * the axis and -1 takes what is left, and every provider has it (onnxruntime has no GroupNorm kernel on the CPU).
 */
export function groupNorm(graph: GraphBuilder, x: Value, path: string, groups: number, epsilon: number): Value {
  const channels = graph.shapeOf(`${path}.weight`)[0]!;
  if (channels % groups !== 0) throw new GraphError(`${groups} groups do not divide ${channels} channels (${path}).`);
  const filled = (value: number) => graph.inPrecision(graph.floats(new Array<number>(groups).fill(value)), path);
  const grouped = graph.node('Reshape', [x, graph.ints([0, groups, -1, 0])], { name: path });
  const normal = graph.delicately('groupNorm', [grouped, filled(1), filled(0)], path, (...inputs) =>
    graph.node('InstanceNormalization', inputs, { name: path, attributes: { epsilon: { float: epsilon } } }),
  );
  const back = graph.node('Reshape', [normal, graph.ints([0, channels, -1, 0])], { name: path });
  const { weight, bias } = normWeights(graph, path, [channels, 1, 1]);
  const scaled = graph.node('Mul', [back, weight], { name: path });
  return graph.node('Add', [scaled, bias], { name: path });
}

/** Weight and bias of a normalization, with what adapters add to them. */
function normWeights(graph: GraphBuilder, path: string, shape: readonly number[]): { weight: Value; bias: Value } {
  const [weight, bias] = [graph.weight(`${path}.weight`, { shape }), graph.weight(`${path}.bias`, { shape })];
  const vectors = graph.vectors(path, undefined, { vector: shape, bias: shape });
  if (!vectors) return { weight, bias };
  const name = `${path}.lora`;
  return {
    weight: graph.node('Add', [weight, vectors.vector], { name }),
    bias: graph.node('Add', [bias, vectors.bias], { name }),
  };
}

/** x · sigmoid(x): QuickGelu with alpha 1, one node instead of two. */
export function silu(graph: GraphBuilder, x: Value, name: string): Value {
  return graph.node('QuickGelu', [x], { name, attributes: { alpha: { float: 1 } } });
}

/** x · Φ(x) by its approximation with tanh (Hendrycks and Gimpel 2016, arXiv 1606.08415), which T5, FLUX and SD 3 were trained with. */
export function geluTanh(graph: GraphBuilder, x: Value, name: string): Value {
  return graph.node('FastGelu', [x], { name });
}

type Activation = (graph: GraphBuilder, x: Value, name: string) => Value;

/** By the names of transformers. */
const activations: Readonly<Record<string, Activation>> = {
  quick_gelu: (graph, x, name) => graph.node('QuickGelu', [x], { name, attributes: { alpha: { float: 1.702 } } }),
  gelu: (graph, x, name) => graph.node('Gelu', [x], { name }),
  gelu_new: geluTanh,
  gelu_pytorch_tanh: geluTanh,
};

/**
 * The activation of a config's `hidden_act`.
 *
 * @param network - what errors call it
 */
export function activationOf(hiddenAct: string, network: string): Activation {
  if (Object.hasOwn(activations, hiddenAct)) return activations[hiddenAct]!;
  const known = Object.keys(activations).join(', ');
  throw new GraphError(`The ${network} uses the activation "${hiddenAct}"; supported are ${known}.`);
}

/** Layer normalization over the last axis. */
export function layerNorm(graph: GraphBuilder, x: Value, path: string, epsilon: number): Value {
  const { weight, bias } = normWeights(graph, path, graph.shapeOf(`${path}.weight`));
  return graph.delicately('layerNorm', [x, weight, bias], path, (...inputs) =>
    graph.node('LayerNormalization', inputs, { name: path, attributes: { axis: -1, epsilon: { float: epsilon } } }),
  );
}

/**
 * sum = x + bias + skip, and the layer normalization of that sum: [normalized, sum]. Every transformer block needs both.
 * Not onnxruntime's SkipLayerNormalization: on the CPU it takes ten times as long as these three nodes.
 */
export function addAndNorm(
  graph: GraphBuilder,
  x: Value,
  skip: Value,
  bias: Value,
  path: string,
  epsilon: number,
): [normalized: Value, sum: Value] {
  const biased = graph.node('Add', [x, bias], { name: path });
  const sum = graph.node('Add', [biased, skip], { name: path });
  return [layerNorm(graph, sum, path, epsilon), sum];
}

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
export function attention(
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
): Value {
  const { heads, width, scale, bias, causal, mask, upcast = false } = options;
  if (width % heads !== 0) throw new GraphError(`${heads} attention heads do not divide ${width} channels (${name}).`);
  const wide = upcast && graph.precision !== 'float32';
  const values = [query, key, value, ...(bias === undefined ? [] : [bias])];
  return graph.widely(wide, values, name, (...inputs) =>
    attended(graph, inputs as [Value, Value, Value, Value?], name, { heads, scale, causal, mask, wide, width }),
  );
}

/** `wide`: the values are float32, whatever the precision of the graph. */
function attended(
  graph: GraphBuilder,
  [query, key, value, bias]: readonly [Value, Value, Value, Value?],
  name: string,
  options: {
    heads: number;
    width: number;
    scale: number | undefined;
    causal: boolean | undefined;
    mask: Value | undefined;
    wide: boolean;
  },
): Value {
  const { heads, width, causal, mask, wide } = options;
  const scalar = (number: number) => (wide ? graph.floats(number) : graph.scalar(number));
  if (graph.attention === 'fused') {
    const attributes = {
      num_heads: heads,
      unidirectional: causal ? 1 : undefined,
      scale: options.scale === undefined ? undefined : { float: options.scale },
    };
    const more = bias === undefined ? (mask === undefined ? [] : ['', mask]) : ['', mask ?? '', bias];
    return graph.node('MultiHeadAttention', [query, key, value, ...more], { name, attributes });
  }
  // [batch, length, heads · d] → [batch, heads, length, d]; the keys transposed as well
  const split = (x: Value, perm: readonly number[]) => {
    const perHead = graph.node('Reshape', [x, graph.ints([0, 0, heads, -1])], { name });
    return graph.node('Transpose', [perHead], { name, attributes: { perm } });
  };
  const { scale = (width / heads) ** -0.5 } = options;
  const queries = split(query, [0, 2, 1, 3]);
  const scaled = scale === 1 ? queries : graph.node('Mul', [queries, scalar(scale)], { name });
  let scores = graph.node('MatMul', [scaled, split(key, [0, 2, 3, 1])], { name });
  if (bias !== undefined) scores = graph.node('Add', [scores, bias], { name });
  if (causal) {
    const length = graph.node('Shape', [query], { name, attributes: { start: 1, end: 2 } });
    const square = graph.node('Concat', [length, length], { name, attributes: { axis: 0 } });
    // Finite, so that half precision has no infinity minus infinity.
    const closed = graph.node('Expand', [scalar(-60000), square], { name });
    const later = graph.node('Trilu', [closed, graph.ints(1)], { name, attributes: { upper: 1 } });
    scores = graph.node('Add', [scores, later], { name });
  }
  if (mask !== undefined) {
    const perHead = graph.node('Unsqueeze', [mask, graph.ints([1, 2])], { name });
    scores = graph.node('Where', [graph.cast(perHead, 'bool', name), scores, scalar(-60000)], { name });
  }
  const softmax = (...inputs: Value[]) => graph.node('Softmax', inputs, { name, attributes: { axis: -1 } });
  const weights = wide ? softmax(scores) : graph.delicately('softmax', [scores], name, softmax);
  const mixed = graph.node('MatMul', [weights, split(value, [0, 2, 1, 3])], { name });
  const together = graph.node('Transpose', [mixed], { name, attributes: { perm: [0, 2, 1, 3] } });
  return graph.node('Reshape', [together, graph.ints([0, 0, -1])], { name });
}

/** Twice the height and width by repeating pixels, or exactly the height and width of `like`. */
export function upsample(graph: GraphBuilder, x: Value, name: string, like?: Value): Value {
  const attributes = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };
  if (like === undefined) return graph.node('Resize', [x, '', graph.floats([1, 1, 2, 2])], { name, attributes });
  // A picture whose latents are not a multiple of every halving comes back by one row less than doubled.
  const size = graph.node('Shape', [like], { name, attributes: { start: 2, end: 4 } });
  return graph.node('Resize', [x, '', '', size], { name, attributes: { ...attributes, axes: [2, 3] } });
}

/** The feed-forward half of a block: x · gelu(gate), then a linear layer whose bias is left to the caller. */
export function gegluProduct(graph: GraphBuilder, x: Value, path: string): Value {
  const inner = graph.shapeOf(`${path}.net.0.proj.weight`)[0]! / 2;
  // The two halves of the projection are rows of one stored matrix, so no Split of a large activation is needed.
  const hidden = linear(graph, x, `${path}.net.0.proj`, { rows: [0, inner] });
  const gate = linearProduct(graph, x, `${path}.net.0.proj`, [inner, 2 * inner]);
  const bias = graph.weight(`${path}.net.0.proj.bias`, { rows: [inner, 2 * inner] });
  const activated = graph.node('BiasGelu', [gate, bias], { name: `${path}.net.0` });
  const product = graph.node('Mul', [hidden, activated], { name: `${path}.net.0` });
  return linearProduct(graph, product, `${path}.net.2`);
}
