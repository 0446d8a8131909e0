import { GraphBuilder } from './builder.js';
import { jointAttention } from './jointAttention.js';
import { attention, geluTanh, linear, silu } from './layers.js';
import {
  addGated,
  bounded,
  countModules,
  headNorm,
  modulate,
  modulatedNorm,
  modulationHalves,
  modulations,
  plainLayerNorm,
  rotaryInputs,
  rotate,
  sizeOf,
  slice,
  timeWaves,
} from './transformerLayers.js';
/** Of a token's side, in positions of the latents. */
export const FLUX_PATCH = 2;
/** Of every norm in the network. */
const epsilon = 1e-6;
/**
 * The transformer of FLUX.1 (diffusers' FluxTransformer2DModel). All sizes are read off the shapes: how many channels it
 * takes tells Fill and Control, a guidance embedding tells dev from schnell.
 *
 * Inputs: `sample` [batch, channels, height, width], even sizes, channels behind those of the latents where it takes more;
 * `timestep` float32 [batch], sigma; `encoder_hidden_states` [batch, length, text width]; `pooled_projections`
 * [batch, pooled width]; `rotary_cos` and `rotary_sin` float32 [batch · positions, head / 2], for text, picture and reference
 * in this order; where the weights embed one, `guidance` float32 [batch], the guidance scale; where the form asks for it
 * `reference` [batch, tokens, 4 · channels].
 * Output: `out_sample` [batch, latent channels, height, width].
 */
export function writeFluxTransformer(tensors, form = {}) {
  const graph = new GraphBuilder(tensors, form);
  const [inner, features] = graph.shapeOf('x_embedder.weight');
  const channels = features / FLUX_PATCH ** 2;
  const head = graph.shapeOf('transformer_blocks.0.attn.norm_q.weight')[0];
  const sample = graph.enter('sample', ['batch', channels, 'height', 'width']);
  const timestep = graph.input('timestep', 'float32', ['batch']);
  const textWidth = graph.shapeOf('context_embedder.weight')[1];
  const states = graph.enter('encoder_hidden_states', ['batch', 'length', textWidth]);
  const vector = silu(graph, embedding(graph, timestep), 'time_text_embed');
  const reference = form.reference ? graph.enter('reference', ['batch', 'reference_tokens', features]) : undefined;
  const rotary = rotaryInputs(graph, head, sample, true);
  const context = { graph, inner, heads: inner / head, rotary, vector };
  const { tokens: own, grid } = intoTokens(graph, sample, channels);
  const tokens =
    reference === undefined
      ? own
      : graph.node('Concat', [own, reference], { name: 'x_embedder', attributes: { axis: 1 } });
  let image = graph.widen(linear(graph, tokens, 'x_embedder'), 'x_embedder');
  let text = graph.widen(linear(graph, states, 'context_embedder'), 'context_embedder');
  for (let i = 0; i < countModules(graph, 'transformer_blocks', 'attn.to_q.weight'); i++) {
    [text, image] = doubleBlock(context, text, image, `transformer_blocks.${i}`);
  }
  let joint = graph.node('Concat', [text, image], { name: 'single_transformer_blocks', attributes: { axis: 1 } });
  for (let i = 0; i < countModules(graph, 'single_transformer_blocks', 'attn.to_q.weight'); i++) {
    joint = singleBlock(context, joint, `single_transformer_blocks.${i}`);
  }
  const name = 'norm_out';
  const from = sizeOf(graph, states, 1, name);
  const to = graph.node('Add', [from, sizeOf(graph, own, 1, name)], { name });
  const picture = slice(graph, joint, 1, from, to, name);
  const [scale, shift] = modulationHalves(graph, vector, 'norm_out.linear');
  const last = modulate(graph, plainLayerNorm(graph, picture, name, inner, epsilon), name, scale, shift);
  const out = linear(graph, graph.inPrecision(last, name), 'proj_out');
  const latents = graph.shapeOf('proj_out.weight')[0] / FLUX_PATCH ** 2;
  graph.leave('out_sample', fromTokens(graph, out, grid, latents), ['batch', latents, 'height', 'width']);
  return graph.finish('fluxTransformer');
}
/** The sum of the embedded time, pooled text and, where the weights have it, guidance scale: [batch, inner]. */
function embedding(graph, timestep) {
  const root = 'time_text_embed';
  const embed = (x, path) => linear(graph, silu(graph, linear(graph, x, `${path}.linear_1`), path), `${path}.linear_2`);
  const embedNumber = (value, path) => {
    const thousand = graph.node('Mul', [value, graph.floats(1000)], { name: path });
    return embed(timeWaves(graph, thousand, graph.shapeOf(`${path}.linear_1.weight`)[1], path), path);
  };
  const add = (a, b) => graph.node('Add', [a, b], { name: root });
  let sum = embedNumber(timestep, `${root}.timestep_embedder`);
  if (graph.has(`${root}.guidance_embedder.linear_1.weight`)) {
    sum = add(sum, embedNumber(graph.input('guidance', 'float32', ['batch']), `${root}.guidance_embedder`));
  }
  const path = `${root}.text_embedder`;
  const pooled = graph.enter('pooled_projections', ['batch', graph.shapeOf(`${path}.linear_1.weight`)[1]]);
  return add(sum, embed(pooled, path));
}
/** Text and picture with weights of their own; both are wide. */
function doubleBlock({ graph, inner, heads, rotary, vector }, text, image, path) {
  const ofImage = modulations(graph, vector, `${path}.norm1.linear`, 2);
  const ofText = modulations(graph, vector, `${path}.norm1_context.linear`, 2);
  const norm = (x, name, parts) => modulatedNorm(graph, x, name, parts, inner, epsilon);
  const [textMixed, imageMixed] = jointAttention(
    graph,
    norm(text, `${path}.norm1_context`, ofText[0]),
    norm(image, `${path}.norm1`, ofImage[0]),
    `${path}.attn`,
    { heads, width: inner, epsilon, rotary, first: 'text' },
  );
  const forward = (sum, mixed, ff, [first, second]) => {
    const middle = addGated(graph, sum, mixed, path, first[2]);
    return addGated(graph, middle, feedForward(graph, norm(middle, ff, second), ff), ff, second[2]);
  };
  return [forward(text, textMixed, `${path}.ff_context`, ofText), forward(image, imageMixed, `${path}.ff`, ofImage)];
}
/** Two linear layers with a GELU between them. */
export function feedForward(graph, x, path) {
  const hidden = geluTanh(graph, linear(graph, x, `${path}.net.0.proj`), path);
  return bounded(graph, linear(graph, bounded(graph, hidden, path), `${path}.net.2`), path);
}
/** Attention and feed-forward side by side; `x`, text and picture, is wide. */
function singleBlock({ graph, inner, heads, rotary, vector }, x, path) {
  const [modulation] = modulations(graph, vector, `${path}.norm.linear`, 1);
  const normal = modulatedNorm(graph, x, `${path}.norm`, modulation, inner, epsilon);
  const attn = `${path}.attn`;
  const [query, key] = ['q', 'k'].map((which) => {
    const own = headNorm(graph, linear(graph, normal, `${attn}.to_${which}`), `${attn}.norm_${which}`, heads, epsilon);
    return graph.inPrecision(rotate(graph, own, attn, heads, rotary), attn);
  });
  const mixed = attention(graph, query, key, linear(graph, normal, `${attn}.to_v`), attn, { heads, width: inner });
  const hidden = bounded(graph, geluTanh(graph, linear(graph, normal, `${path}.proj_mlp`), path), path);
  const both = graph.node('Concat', [mixed, hidden], { name: path, attributes: { axis: 2 } });
  return addGated(graph, x, bounded(graph, linear(graph, both, `${path}.proj_out`), path), path, modulation[2]);
}
/** [batch, channels, height, width] → [batch, tokens, (channel, dy, dx)], and the grid of the tokens: [rows, columns]. */
function intoTokens(graph, sample, channels) {
  const name = 'x_embedder';
  const blocks = graph.node('SpaceToDepth', [sample], { name, attributes: { blocksize: FLUX_PATCH } });
  // The operator puts the place within a patch before the channel; it belongs after it.
  const apart = graph.node('Reshape', [blocks, graph.ints([0, FLUX_PATCH ** 2, channels, -1])], { name });
  const turned = graph.node('Transpose', [apart], { name, attributes: { perm: [0, 3, 2, 1] } });
  const tokens = graph.node('Reshape', [turned, graph.ints([0, 0, channels * FLUX_PATCH ** 2])], { name });
  return { tokens, grid: graph.node('Shape', [blocks], { name, attributes: { start: 2, end: 4 } }) };
}
/** The way back. */
function fromTokens(graph, tokens, grid, channels) {
  const name = 'proj_out';
  const turned = graph.node('Transpose', [tokens], { name, attributes: { perm: [0, 2, 1] } });
  const shape = graph.node('Concat', [graph.ints([0, channels * FLUX_PATCH ** 2]), grid], {
    name,
    attributes: { axis: 0 },
  });
  const patches = graph.node('Reshape', [turned, shape], { name });
  return graph.node('DepthToSpace', [patches], { name, attributes: { blocksize: FLUX_PATCH, mode: 'CRD' } });
}
//# sourceMappingURL=fluxTransformer.js.map
