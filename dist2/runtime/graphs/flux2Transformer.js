import { GraphBuilder, GraphError } from './builder.js';
import { jointAttention } from './jointAttention.js';
import { attention, linear, silu } from './layers.js';
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
/**
 * The transformer of FLUX.2 (diffusers' Flux2Transformer2DModel).
 *
 * Inputs: `sample` [batch, 128, height, width], latents already in patches; `timestep` float32 [batch], sigma;
 * `encoder_hidden_states` [batch, length, text width]; `rotary_cos` and `rotary_sin` float32 [batch · positions, head / 2],
 * for text, picture and references in this order; where the weights embed one, `guidance` float32 [batch], the guidance
 * scale; where the form asks for it `reference` [batch, tokens, 128].
 * Output: `out_sample` like `sample`.
 */
export function writeFlux2Transformer(config, tensors, form = {}) {
  if ((config.patch_size ?? 1) !== 1) {
    throw new GraphError(
      `The transformer has patches of ${config.patch_size}; its latents must come in patches already.`,
    );
  }
  const graph = new GraphBuilder(tensors, form);
  const [inner, channels] = graph.shapeOf('x_embedder.weight');
  const head = graph.shapeOf('transformer_blocks.0.attn.norm_q.weight')[0];
  const epsilon = config.eps ?? 1e-6;
  const sample = graph.enter('sample', ['batch', channels, 'height', 'width']);
  const timestep = graph.input('timestep', 'float32', ['batch']);
  const textWidth = graph.shapeOf('context_embedder.weight')[1];
  const states = graph.enter('encoder_hidden_states', ['batch', 'length', textWidth]);
  const reference = form.reference ? graph.enter('reference', ['batch', 'reference_tokens', channels]) : undefined;
  const [heads, rotary] = [inner / head, rotaryInputs(graph, head, sample, true)];
  const context = { graph, inner, heads, epsilon, rotary };
  const time = silu(graph, timeEmbedding(graph, timestep), 'time_guidance_embed');
  const flat = graph.node('Reshape', [sample, graph.ints([0, channels, -1])], { name: 'x_embedder' });
  const own = graph.node('Transpose', [flat], { name: 'x_embedder', attributes: { perm: [0, 2, 1] } });
  const tokens =
    reference === undefined
      ? own
      : graph.node('Concat', [own, reference], { name: 'x_embedder', attributes: { axis: 1 } });
  let image = graph.widen(linear(graph, tokens, 'x_embedder'), 'x_embedder');
  let text = graph.widen(linear(graph, states, 'context_embedder'), 'context_embedder');
  const textLength = sizeOf(graph, states, 1, 'context_embedder');
  const [imageParts, textParts] = ['img', 'txt'].map((stream) =>
    modulations(graph, time, `double_stream_modulation_${stream}.linear`, 2),
  );
  for (let i = 0; i < countModules(graph, 'transformer_blocks', 'attn.to_q.weight'); i++) {
    const path = `transformer_blocks.${i}`;
    const [textMixed, imageMixed] = jointAttention(
      graph,
      modulatedNorm(graph, text, `${path}.norm1_context`, textParts[0], inner, epsilon),
      modulatedNorm(graph, image, `${path}.norm1`, imageParts[0], inner, epsilon),
      `${path}.attn`,
      { heads, width: inner, epsilon, rotary, first: 'text' },
    );
    image = addGated(graph, image, imageMixed, path, imageParts[0][2]);
    text = addGated(graph, text, textMixed, path, textParts[0][2]);
    const forward = (x, norm, ff, parts) =>
      addGated(graph, x, feedForward(graph, modulatedNorm(graph, x, norm, parts, inner, epsilon), ff), ff, parts[2]);
    image = forward(image, `${path}.norm2`, `${path}.ff`, imageParts[1]);
    text = forward(text, `${path}.norm2_context`, `${path}.ff_context`, textParts[1]);
  }
  let joint = graph.node('Concat', [text, image], { name: 'single_transformer_blocks', attributes: { axis: 1 } });
  const [single] = modulations(graph, time, 'single_stream_modulation.linear', 1);
  for (let i = 0; i < countModules(graph, 'single_transformer_blocks', 'attn.to_out.weight'); i++) {
    joint = singleBlock(context, joint, `single_transformer_blocks.${i}`, single);
  }
  const name = 'norm_out';
  const from = textLength;
  const to = graph.node('Add', [textLength, sizeOf(graph, own, 1, name)], { name });
  const picture = slice(graph, joint, 1, from, to, name);
  const [scale, shift] = modulationHalves(graph, time, 'norm_out.linear');
  const last = modulate(graph, plainLayerNorm(graph, picture, name, inner, epsilon), name, scale, shift);
  const out = linear(graph, graph.inPrecision(last, name), 'proj_out');
  const turned = graph.node('Transpose', [out], { name: 'proj_out', attributes: { perm: [0, 2, 1] } });
  const back = graph.node('Reshape', [turned, graph.node('Shape', [sample], { name: 'proj_out' })], {
    name: 'proj_out',
  });
  graph.leave('out_sample', back, ['batch', channels, 'height', 'width']);
  return graph.finish('flux2Transformer');
}
/** The embedded time and, where the weights have it, guidance scale: [batch, inner]. */
function timeEmbedding(graph, timestep) {
  const root = 'time_guidance_embed';
  const embed = (value, path) => {
    const thousand = graph.node('Mul', [value, graph.floats(1000)], { name: path });
    const waves = timeWaves(graph, thousand, graph.shapeOf(`${path}.linear_1.weight`)[1], path);
    return linear(graph, silu(graph, linear(graph, waves, `${path}.linear_1`), path), `${path}.linear_2`);
  };
  const time = embed(timestep, `${root}.timestep_embedder`);
  if (!graph.has(`${root}.guidance_embedder.linear_1.weight`)) return time;
  const guidance = embed(graph.input('guidance', 'float32', ['batch']), `${root}.guidance_embedder`);
  return graph.node('Add', [time, guidance], { name: root });
}
/** silu(first half) · second half of one matrix, then a second one. */
function feedForward(graph, x, path) {
  const rows = graph.shapeOf(`${path}.linear_in.weight`)[0];
  const half = rows / 2;
  const product = gated(graph, x, `${path}.linear_in`, 0, half);
  return bounded(graph, linear(graph, product, `${path}.linear_out`), path);
}
/** silu(x W₁ᵀ) · x W₂ᵀ, the rows of W₁ from `start` and those of W₂ after them. */
function gated(graph, x, path, start, half) {
  const gate = linear(graph, x, path, { rows: [start, start + half] });
  const value = linear(graph, x, path, { rows: [start + half, start + 2 * half] });
  return bounded(graph, graph.node('Mul', [silu(graph, gate, path), value], { name: path }), path);
}
/** Attention and feed-forward side by side: one matrix before both, one after. */
function singleBlock({ graph, heads, inner, epsilon, rotary }, x, path, modulation) {
  const normal = modulatedNorm(graph, x, `${path}.norm`, modulation, inner, epsilon);
  const attn = `${path}.attn`;
  const all = `${attn}.to_qkv_mlp_proj`;
  const rows = graph.shapeOf(`${all}.weight`)[0];
  const part = (index) => linear(graph, normal, all, { rows: [index * inner, (index + 1) * inner] });
  const [query, key] = ['q', 'k'].map((which, index) => {
    const own = headNorm(graph, part(index), `${attn}.norm_${which}`, heads, epsilon);
    return graph.inPrecision(rotate(graph, own, attn, heads, rotary), attn);
  });
  const mixed = attention(graph, query, key, part(2), attn, { heads, width: inner });
  const forward = gated(graph, normal, all, 3 * inner, (rows - 3 * inner) / 2);
  const both = graph.node('Concat', [mixed, forward], { name: attn, attributes: { axis: 2 } });
  const out = bounded(graph, linear(graph, both, `${attn}.to_out`), attn);
  return addGated(graph, x, out, path, modulation[2]);
}
//# sourceMappingURL=flux2Transformer.js.map
