import type { GraphBuilder, Value } from './builder.ts';
import { jointAttention } from './jointAttention.ts';
import { attention, geluTanh, linear, silu } from './layers.ts';
import {
  addGated,
  bounded,
  headNorm,
  type Modulation,
  modulatedNorm,
  modulations,
  type Rotary,
  rotate,
  timeWaves,
} from './transformerLayers.ts';

/** Of a token's side, in positions of the latents. */
export const FLUX_PATCH = 2;
/** Of every norm in the network. */
export const FLUX_EPSILON = 1e-6;

/** What the blocks of FLUX.1's transformer share. */
export interface FluxContext {
  graph: GraphBuilder;
  inner: number;
  heads: number;
  rotary: Rotary;
  /** What modulates the blocks, [batch, inner]: the SiLU of the embedded time, guidance and pooled text. */
  vector: Value;
}

/** The sum of the embedded time, pooled text and, where the weights have it, guidance scale: [batch, inner]. */
export function embedding(graph: GraphBuilder, timestep: Value): Value {
  const root = 'time_text_embed';
  const embedNumber = (value: Value, path: string) =>
    embedTime(graph, graph.node('Mul', [value, graph.floats(1000)], { name: path }), path);
  const add = (a: Value, b: Value) => graph.node('Add', [a, b], { name: root });
  let sum = embedNumber(timestep, `${root}.timestep_embedder`);
  if (graph.has(`${root}.guidance_embedder.linear_1.weight`)) {
    sum = add(sum, embedNumber(graph.input('guidance', 'float32', ['batch']), `${root}.guidance_embedder`));
  }
  return add(sum, embedPooled(graph, `${root}.text_embedder`));
}

/** A time, wide [batch], as a vector: its waves through two linear layers with a SiLU between them. */
export function embedTime(graph: GraphBuilder, time: Value, path: string): Value {
  return embed(graph, timeWaves(graph, time, graph.shapeOf(`${path}.linear_1.weight`)[1]!, path), path);
}

/** The input `pooled_projections` through such layers. */
export function embedPooled(graph: GraphBuilder, path: string): Value {
  const width = graph.shapeOf(`${path}.linear_1.weight`)[1]!;
  return embed(graph, graph.enter('pooled_projections', ['batch', width]), path);
}

function embed(graph: GraphBuilder, x: Value, path: string): Value {
  return linear(graph, silu(graph, linear(graph, x, `${path}.linear_1`), path), `${path}.linear_2`);
}

/** Text and picture with weights of their own; both are wide. */
export function doubleBlock(
  { graph, inner, heads, rotary, vector }: FluxContext,
  text: Value,
  image: Value,
  path: string,
): [text: Value, image: Value] {
  const ofImage = modulations(graph, vector, `${path}.norm1.linear`, 2);
  const ofText = modulations(graph, vector, `${path}.norm1_context.linear`, 2);
  const norm = (x: Value, name: string, parts: Modulation) => modulatedNorm(graph, x, name, parts, inner, FLUX_EPSILON);
  const [textMixed, imageMixed] = jointAttention(
    graph,
    norm(text, `${path}.norm1_context`, ofText[0]!),
    norm(image, `${path}.norm1`, ofImage[0]!),
    `${path}.attn`,
    { heads, width: inner, epsilon: FLUX_EPSILON, rotary, first: 'text' },
  );
  const forward = (sum: Value, mixed: Value, ff: string, [first, second]: readonly Modulation[]) => {
    const middle = addGated(graph, sum, mixed, path, first![2]);
    return addGated(graph, middle, feedForward(graph, norm(middle, ff, second!), ff), ff, second![2]);
  };
  return [forward(text, textMixed!, `${path}.ff_context`, ofText), forward(image, imageMixed, `${path}.ff`, ofImage)];
}

/** Two linear layers with a GELU between them. */
export function feedForward(graph: GraphBuilder, x: Value, path: string): Value {
  const hidden = geluTanh(graph, linear(graph, x, `${path}.net.0.proj`), path);
  return bounded(graph, linear(graph, bounded(graph, hidden, path), `${path}.net.2`), path);
}

/** Attention and feed-forward side by side; `x`, text and picture, is wide. */
export function singleBlock({ graph, inner, heads, rotary, vector }: FluxContext, x: Value, path: string): Value {
  const [modulation] = modulations(graph, vector, `${path}.norm.linear`, 1) as [Modulation];
  const normal = modulatedNorm(graph, x, `${path}.norm`, modulation, inner, FLUX_EPSILON);
  const attn = `${path}.attn`;
  const [query, key] = (['q', 'k'] as const).map((which) => {
    const own = headNorm(
      graph,
      linear(graph, normal, `${attn}.to_${which}`),
      `${attn}.norm_${which}`,
      heads,
      FLUX_EPSILON,
    );
    return graph.inPrecision(rotate(graph, own, attn, heads, rotary), attn);
  }) as [Value, Value];
  const mixed = attention(graph, query, key, linear(graph, normal, `${attn}.to_v`), attn, { heads, width: inner });
  const hidden = bounded(graph, geluTanh(graph, linear(graph, normal, `${path}.proj_mlp`), path), path);
  const both = graph.node('Concat', [mixed, hidden], { name: path, attributes: { axis: 2 } });
  return addGated(graph, x, bounded(graph, linear(graph, both, `${path}.proj_out`), path), path, modulation[2]);
}

/** [batch, channels, height, width] → [batch, tokens, (channel, dy, dx)], and the grid of the tokens: [rows, columns]. */
export function intoTokens(graph: GraphBuilder, sample: Value, channels: number): { tokens: Value; grid: Value } {
  const name = 'x_embedder';
  const blocks = graph.node('SpaceToDepth', [sample], { name, attributes: { blocksize: FLUX_PATCH } });
  // The operator puts the place within a patch before the channel; it belongs after it.
  const apart = graph.node('Reshape', [blocks, graph.ints([0, FLUX_PATCH ** 2, channels, -1])], { name });
  const turned = graph.node('Transpose', [apart], { name, attributes: { perm: [0, 3, 2, 1] } });
  const tokens = graph.node('Reshape', [turned, graph.ints([0, 0, channels * FLUX_PATCH ** 2])], { name });
  return { tokens, grid: graph.node('Shape', [blocks], { name, attributes: { start: 2, end: 4 } }) };
}

/** The way back. */
export function fromTokens(graph: GraphBuilder, tokens: Value, grid: Value, channels: number): Value {
  const name = 'proj_out';
  const turned = graph.node('Transpose', [tokens], { name, attributes: { perm: [0, 2, 1] } });
  const shape = graph.node('Concat', [graph.ints([0, channels * FLUX_PATCH ** 2]), grid], {
    name,
    attributes: { axis: 0 },
  });
  const patches = graph.node('Reshape', [turned, shape], { name });
  return graph.node('DepthToSpace', [patches], { name, attributes: { blocksize: FLUX_PATCH, mode: 'CRD' } });
}
