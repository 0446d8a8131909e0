import type { StoredTensors } from '../files/safetensors.ts';
import { type AdaptedForm, GraphBuilder, GraphError, type Value, type Written } from './builder.ts';
import { embedPooled, embedTime, feedForward } from './fluxBlocks.ts';
import { jointAttention } from './jointAttention.ts';
import { attention, conv, linear, silu } from './layers.ts';
import {
  addGated,
  type CachedForm,
  countModules,
  FirstBlock,
  headNorm,
  type Modulation,
  modulate,
  modulatedNorm,
  modulationHalves,
  modulations,
  plainLayerNorm,
  sizeOf,
  slice,
} from './transformerLayers.ts';

/** `transformer/config.json` as diffusers writes it. */
export interface SD3TransformerConfig {
  /** Channels of a head; read where queries have no norm that tells it. */
  attention_head_dim?: number;
}

/** Of every norm in the network. */
const epsilon = 1e-6;
/** Of every published model. */
const HEAD = 64;

/** What the blocks share. */
interface Context {
  graph: GraphBuilder;
  inner: number;
  heads: number;
  /** What modulates the blocks, [batch, inner]: the SiLU of the embedded time and pooled text. */
  vector: Value;
}

/**
 * The transformer of Stable Diffusion 3 and 3.5 (diffusers' SD3Transformer2DModel). All sizes but a head's are read off the
 * shapes: `attn2` tells blocks that look at the picture twice.
 *
 * Inputs: `sample` [batch, channels, height, width], whole patches, at most as many on a side as the position table has;
 * `timestep` float32 [batch], 0 to 1000; `encoder_hidden_states` [batch, length, text width]; `pooled_projections` [batch, pooled width].
 * Output: `out_sample` [batch, channels, height, width].
 */
export function writeSD3Transformer(
  config: SD3TransformerConfig,
  tensors: StoredTensors,
  form: AdaptedForm & CachedForm = {},
): Written {
  const graph = new GraphBuilder(tensors, form);
  const [inner, channels, patch] = graph.shapeOf('pos_embed.proj.weight') as [number, number, number];
  const norm = 'transformer_blocks.0.attn.norm_q.weight';
  const head = graph.has(norm) ? graph.shapeOf(norm)[0]! : (config.attention_head_dim ?? HEAD);

  const sample = graph.enter('sample', ['batch', channels, 'height', 'width']);
  const timestep = graph.input('timestep', 'float32', ['batch']);
  const textWidth = graph.shapeOf('context_embedder.weight')[1]!;
  const states = graph.enter('encoder_hidden_states', ['batch', 'length', textWidth]);
  const root = 'time_text_embed';
  const time = embedTime(graph, timestep, `${root}.timestep_embedder`);
  const sum = graph.node('Add', [time, embedPooled(graph, `${root}.text_embedder`)], { name: root });
  const context: Context = { graph, inner, heads: inner / head, vector: silu(graph, sum, root) };

  const patches = conv(graph, sample, 'pos_embed.proj', { stride: patch, pads: [0, 0, 0, 0] });
  let image = withPositions(graph, patches, inner);
  let text: Value | undefined = graph.widen(linear(graph, states, 'context_embedder'), 'context_embedder');
  const cache = new FirstBlock(graph, form, inner);
  for (let i = 0; i < cache.blocks(countModules(graph, 'transformer_blocks', 'attn.to_q.weight')); i++) {
    const before = image;
    if (text === undefined)
      throw new GraphError(`transformer_blocks.${i - 1} is not the last block, but has no layers for the context.`);
    [text, image] = jointBlock(context, text, image, `transformer_blocks.${i}`);
    if (i === 0) cache.done(before, image);
  }
  image = cache.last(image);

  const [scale, shift] = modulationHalves(graph, context.vector, 'norm_out.linear');
  const last = modulate(graph, plainLayerNorm(graph, image, 'norm_out', inner, epsilon), 'norm_out', scale, shift);
  const name = 'proj_out';
  const out = linear(graph, graph.inPrecision(last, name), name);
  const features = graph.shapeOf(`${name}.weight`)[0]!;
  const turned = graph.node('Transpose', [out], { name, attributes: { perm: [0, 2, 1] } });
  const grid = graph.node('Shape', [patches], { name, attributes: { start: 2, end: 4 } });
  const shape = graph.node('Concat', [graph.ints([0, features]), grid], { name, attributes: { axis: 0 } });
  const tokens = graph.node('Reshape', [turned, shape], { name });
  // On the way out, other than on the way in, the place within a patch comes before the channel.
  const latents = graph.node('DepthToSpace', [tokens], { name, attributes: { blocksize: patch, mode: 'DCR' } });
  graph.leave('out_sample', latents, ['batch', features / patch ** 2, 'height', 'width']);
  return graph.finish('sd3Transformer');
}

/** Patches [batch, inner, rows, columns] as tokens, with the middle of the table of positions added; wide. */
function withPositions(graph: GraphBuilder, patches: Value, inner: number): Value {
  const name = 'pos_embed';
  const count = graph.shapeOf('pos_embed.pos_embed')[1]!;
  const side = Math.sqrt(count);
  if (!Number.isInteger(side))
    throw new GraphError(`pos_embed.pos_embed has ${count} positions, which is not a square.`);
  let table = graph.weight('pos_embed.pos_embed', { shape: [side, side, inner], precision: 'float32' });
  for (const axis of [0, 1]) {
    const size = sizeOf(graph, patches, 2 + axis, name);
    const left = graph.node('Sub', [graph.ints([side]), size], { name });
    const from = graph.node('Div', [left, graph.ints([2])], { name });
    table = slice(graph, table, axis, from, graph.node('Add', [from, size], { name }), name);
  }
  const positions = graph.node('Reshape', [table, graph.ints([1, -1, inner])], { name });
  const flat = graph.node('Reshape', [patches, graph.ints([0, inner, -1])], { name });
  const tokens = graph.node('Transpose', [flat], { name, attributes: { perm: [0, 2, 1] } });
  return graph.node('Add', [graph.widen(tokens, name), positions], { name });
}

/** Picture and text with weights of their own; both are wide. A last block gives no text. */
function jointBlock(
  context: Context,
  text: Value,
  image: Value,
  path: string,
): [text: Value | undefined, image: Value] {
  const { graph, inner, heads, vector } = context;
  const isDual = graph.has(`${path}.attn2.to_q.weight`);
  const isLast = !graph.has(`${path}.attn.to_add_out.weight`);
  const ofImage = modulations(graph, vector, `${path}.norm1.linear`, isDual ? 3 : 2);
  const norm = (x: Value, name: string, parts: Modulation) => modulatedNorm(graph, x, name, parts, inner, epsilon);
  const contextNorm = `${path}.norm1_context`;
  const ofText = isLast ? undefined : modulations(graph, vector, `${contextNorm}.linear`, 2);
  const normalText = ofText ? norm(text, contextNorm, ofText[0]!) : lastNorm(context, text, contextNorm);
  const [textMixed, imageMixed] = jointAttention(
    graph,
    normalText,
    norm(image, `${path}.norm1`, ofImage[0]!),
    `${path}.attn`,
    { heads, width: inner, epsilon, first: 'image' },
  );
  const forward = (sum: Value, ff: string, parts: Modulation) =>
    addGated(graph, sum, feedForward(graph, norm(sum, ff, parts), ff), ff, parts[2]);
  let sum = addGated(graph, image, imageMixed, path, ofImage[0]![2]);
  if (isDual) {
    const parts = ofImage[2]!;
    const again = selfAttention(context, norm(image, `${path}.norm1`, parts), `${path}.attn2`);
    sum = addGated(graph, sum, again, `${path}.attn2`, parts[2]);
  }
  const nextImage = forward(sum, `${path}.ff`, ofImage[1]!);
  if (!ofText || textMixed === undefined) return [undefined, nextImage];
  const nextText = addGated(graph, text, textMixed, contextNorm, ofText[0]![2]);
  return [forward(nextText, `${path}.ff_context`, ofText[1]!), nextImage];
}

/** The norm of a text that goes nowhere after this block; its scale and shift may lie in the file in either order. */
function lastNorm({ graph, inner, vector }: Context, text: Value, path: string): Value {
  const [scale, shift] = modulationHalves(graph, vector, `${path}.linear`);
  const normal = plainLayerNorm(graph, text, path, inner, epsilon);
  return graph.inPrecision(modulate(graph, normal, path, scale, shift), path);
}

/** Of the picture alone. */
function selfAttention({ graph, inner, heads }: Context, x: Value, path: string): Value {
  const [query, key] = (['q', 'k'] as const).map((which) => {
    const own = linear(graph, x, `${path}.to_${which}`);
    const norm = `${path}.norm_${which}`;
    return graph.has(`${norm}.weight`) ? graph.inPrecision(headNorm(graph, own, norm, heads, epsilon), path) : own;
  }) as [Value, Value];
  const mixed = attention(graph, query, key, linear(graph, x, `${path}.to_v`), path, { heads, width: inner });
  return linear(graph, mixed, `${path}.to_out.0`);
}
