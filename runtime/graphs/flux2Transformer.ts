import type { StoredTensors } from '../files/safetensors.ts';
import { type AdaptedForm, GraphBuilder, GraphError, type Value, type Written } from './builder.ts';
import { jointAttention } from './jointAttention.ts';
import { attention, linear, silu } from './layers.ts';
import {
  addGated,
  bounded,
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
  type Rotary,
  rotaryInputs,
  rotate,
  sizeOf,
  slice,
  timeWaves,
  withReference,
} from './transformerLayers.ts';

/** `transformer/config.json` as diffusers writes it; what is absent has the values of the published models. */
export interface Flux2Config {
  patch_size?: number;
  eps?: number;
  rope_theta?: number;
  axes_dims_rope?: number[];
}

export interface Flux2Form extends AdaptedForm, CachedForm {
  /** Adds the input `reference`: the tokens of reference pictures. Default false. */
  references?: boolean | undefined;
}

/** What the blocks share. */
interface Context {
  graph: GraphBuilder;
  inner: number;
  heads: number;
  epsilon: number;
  rotary: Rotary;
}

/**
 * The transformer of FLUX.2 (diffusers' Flux2Transformer2DModel).
 *
 * Inputs: `sample` [batch, 128, height, width], latents already in patches; `timestep` float32 [batch], sigma;
 * `encoder_hidden_states` [batch, length, text width]; `rotary_cos` and `rotary_sin` float32 [batch · positions, head / 2],
 * for text, picture and references in this order; where the weights embed one, `guidance` float32 [batch], the guidance
 * scale; where the form asks for it `reference` [batch, tokens, 128], of which as many are read as have positions.
 * Output: `out_sample` like `sample`.
 */
export function writeFlux2Transformer(config: Flux2Config, tensors: StoredTensors, form: Flux2Form = {}): Written {
  if ((config.patch_size ?? 1) !== 1) {
    throw new GraphError(`The transformer has patches of ${config.patch_size}; its latents must be patched already.`);
  }
  const graph = new GraphBuilder(tensors, form);
  const [inner, channels] = graph.shapeOf('x_embedder.weight') as [number, number];
  const head = graph.shapeOf('transformer_blocks.0.attn.norm_q.weight')[0]!;
  const epsilon = config.eps ?? 1e-6;

  const sample = graph.enter('sample', ['batch', channels, 'height', 'width']);
  const timestep = graph.input('timestep', 'float32', ['batch']);
  const textWidth = graph.shapeOf('context_embedder.weight')[1]!;
  const states = graph.enter('encoder_hidden_states', ['batch', 'length', textWidth]);
  const reference = form.references ? graph.enter('reference', ['batch', 'reference_tokens', channels]) : undefined;
  const [heads, rotary] = [inner / head, rotaryInputs(graph, head, sample, true)];
  const context: Context = { graph, inner, heads, epsilon, rotary };
  const time = silu(graph, timeEmbedding(graph, timestep), 'time_guidance_embed');

  const flat = graph.node('Reshape', [sample, graph.ints([0, channels, -1])], { name: 'x_embedder' });
  const own = graph.node('Transpose', [flat], { name: 'x_embedder', attributes: { perm: [0, 2, 1] } });
  const tokens = withReference(graph, own, reference, context.rotary, states);
  let image = graph.widen(linear(graph, tokens, 'x_embedder'), 'x_embedder');
  let text = graph.widen(linear(graph, states, 'context_embedder'), 'context_embedder');
  const textLength = sizeOf(graph, states, 1, 'context_embedder');

  const [imageParts, textParts] = ['img', 'txt'].map((stream) =>
    modulations(graph, time, `double_stream_modulation_${stream}.linear`, 2),
  ) as [Modulation[], Modulation[]];
  const cache = new FirstBlock(graph, form, inner);
  const ownLength = sizeOf(graph, own, 1, 'x_embedder');
  const ofPicture = (x: Value, path: string) => (reference ? slice(graph, x, 1, 0, ownLength, path) : x);
  for (let i = 0; i < cache.blocks(countModules(graph, 'transformer_blocks', 'attn.to_q.weight')); i++) {
    const path = `transformer_blocks.${i}`;
    const before = image;
    const [textMixed, imageMixed] = jointAttention(
      graph,
      modulatedNorm(graph, text, `${path}.norm1_context`, textParts[0]!, inner, epsilon),
      modulatedNorm(graph, image, `${path}.norm1`, imageParts[0]!, inner, epsilon),
      `${path}.attn`,
      { heads, width: inner, epsilon, rotary, first: 'text' },
    );
    image = addGated(graph, image, imageMixed, path, imageParts[0]![2]);
    text = addGated(graph, text, textMixed!, path, textParts[0]![2]);
    const forward = (x: Value, norm: string, ff: string, parts: Modulation) =>
      addGated(graph, x, feedForward(graph, modulatedNorm(graph, x, norm, parts, inner, epsilon), ff), ff, parts[2]);
    image = forward(image, `${path}.norm2`, `${path}.ff`, imageParts[1]!);
    text = forward(text, `${path}.norm2_context`, `${path}.ff_context`, textParts[1]!);
    if (i === 0) cache.done(ofPicture(before, path), ofPicture(image, path));
  }

  const name = 'norm_out';
  let picture = image;
  if (cache.isLast) picture = ofPicture(image, name);
  else {
    let joint = graph.node('Concat', [text, image], { name: 'single_transformer_blocks', attributes: { axis: 1 } });
    const [single] = modulations(graph, time, 'single_stream_modulation.linear', 1) as [Modulation];
    for (let i = 0; i < countModules(graph, 'single_transformer_blocks', 'attn.to_out.weight'); i++) {
      joint = singleBlock(context, joint, `single_transformer_blocks.${i}`, single);
    }
    picture = slice(graph, joint, 1, textLength, graph.node('Add', [textLength, ownLength], { name }), name);
  }
  picture = cache.last(picture);
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
function timeEmbedding(graph: GraphBuilder, timestep: Value): Value {
  const root = 'time_guidance_embed';
  const embed = (value: Value, path: string) => {
    const thousand = graph.node('Mul', [value, graph.floats(1000)], { name: path });
    const waves = timeWaves(graph, thousand, graph.shapeOf(`${path}.linear_1.weight`)[1]!, path);
    return linear(graph, silu(graph, linear(graph, waves, `${path}.linear_1`), path), `${path}.linear_2`);
  };
  const time = embed(timestep, `${root}.timestep_embedder`);
  if (!graph.has(`${root}.guidance_embedder.linear_1.weight`)) return time;
  const guidance = embed(graph.input('guidance', 'float32', ['batch']), `${root}.guidance_embedder`);
  return graph.node('Add', [time, guidance], { name: root });
}

/** silu(first half) · second half of one matrix, then a second one. */
function feedForward(graph: GraphBuilder, x: Value, path: string): Value {
  const rows = graph.shapeOf(`${path}.linear_in.weight`)[0]!;
  const half = rows / 2;
  const product = gated(graph, x, `${path}.linear_in`, 0, half);
  return bounded(graph, linear(graph, product, `${path}.linear_out`), path);
}

/** silu(x W₁ᵀ) · x W₂ᵀ, the rows of W₁ from `start` and those of W₂ after them. */
function gated(graph: GraphBuilder, x: Value, path: string, start: number, half: number): Value {
  const gate = linear(graph, x, path, { rows: [start, start + half] });
  const value = linear(graph, x, path, { rows: [start + half, start + 2 * half] });
  return bounded(graph, graph.node('Mul', [silu(graph, gate, path), value], { name: path }), path);
}

/** Attention and feed-forward side by side: one matrix before both, one after. */
function singleBlock(
  { graph, heads, inner, epsilon, rotary }: Context,
  x: Value,
  path: string,
  modulation: Modulation,
): Value {
  const normal = modulatedNorm(graph, x, `${path}.norm`, modulation, inner, epsilon);
  const attn = `${path}.attn`;
  const all = `${attn}.to_qkv_mlp_proj`;
  const rows = graph.shapeOf(`${all}.weight`)[0]!;
  const part = (index: number) => linear(graph, normal, all, { rows: [index * inner, (index + 1) * inner] });
  const [query, key] = (['q', 'k'] as const).map((which, index) => {
    const own = headNorm(graph, part(index), `${attn}.norm_${which}`, heads, epsilon);
    return graph.inPrecision(rotate(graph, own, attn, heads, rotary), attn);
  }) as [Value, Value];
  const mixed = attention(graph, query, key, part(2), attn, { heads, width: inner });
  const forward = gated(graph, normal, all, 3 * inner, (rows - 3 * inner) / 2);
  const both = graph.node('Concat', [mixed, forward], { name: attn, attributes: { axis: 2 } });
  const out = bounded(graph, linear(graph, both, `${attn}.to_out`), attn);
  return addGated(graph, x, out, path, modulation[2]);
}
