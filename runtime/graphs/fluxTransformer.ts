import type { StoredTensors } from '../files/safetensors.ts';
import { type AdaptedForm, GraphBuilder, type Value, type Written } from './builder.ts';
import {
  doubleBlock,
  embedding,
  FLUX_EPSILON,
  FLUX_PATCH,
  type FluxContext,
  fromTokens,
  intoTokens,
  singleBlock,
} from './fluxBlocks.ts';
import { linear, silu } from './layers.ts';
import {
  type CachedForm,
  countModules,
  FirstBlock,
  modulate,
  modulationHalves,
  plainLayerNorm,
  rotaryInputs,
  sizeOf,
  slice,
  toTheEnd,
  withReference,
} from './transformerLayers.ts';

export interface FluxForm extends AdaptedForm, CachedForm {
  /** Adds the input `reference`: the tokens of a reference picture (Kontext). Default false. */
  references?: boolean | undefined;
  /** Adds the inputs `block_additional_residuals` and `single_block_additional_residuals` of a ControlNet. Default false. */
  residuals?: boolean | undefined;
}

/**
 * The transformer of FLUX.1 (diffusers' FluxTransformer2DModel). All sizes are read off the shapes: how many channels it
 * takes tells Fill and Control, a guidance embedding tells dev from schnell.
 *
 * Inputs: `sample` [batch, channels, height, width], even sizes, channels behind those of the latents where it takes more;
 * `timestep` float32 [batch], sigma; `encoder_hidden_states` [batch, length, text width]; `pooled_projections`
 * [batch, pooled width]; `rotary_cos` and `rotary_sin` float32 [batch · positions, head / 2], for text, picture and reference
 * in this order; where the weights embed one, `guidance` float32 [batch], the guidance scale. Where the form asks for them
 * `reference` [batch, tokens, 4 · channels], of which as many are read as have positions, and what a ControlNet adds to the
 * picture's tokens after each block of a kind, [batch, samples, tokens, inner]: blocks share samples where there are fewer of
 * these, and 1 token of zeros adds nothing.
 * Output: `out_sample` [batch, latent channels, height, width].
 */
export function writeFluxTransformer(tensors: StoredTensors, form: FluxForm = {}): Written {
  const graph = new GraphBuilder(tensors, form);
  const [inner, features] = graph.shapeOf('x_embedder.weight') as [number, number];
  const channels = features / FLUX_PATCH ** 2;
  const head = graph.shapeOf('transformer_blocks.0.attn.norm_q.weight')[0]!;

  const sample = graph.enter('sample', ['batch', channels, 'height', 'width']);
  const timestep = graph.input('timestep', 'float32', ['batch']);
  const textWidth = graph.shapeOf('context_embedder.weight')[1]!;
  const states = graph.enter('encoder_hidden_states', ['batch', 'length', textWidth]);
  const vector = silu(graph, embedding(graph, timestep), 'time_text_embed');
  const reference = form.references ? graph.enter('reference', ['batch', 'reference_tokens', features]) : undefined;
  const rotary = rotaryInputs(graph, head, sample, true);
  const context: FluxContext = { graph, inner, heads: inner / head, rotary, vector };
  const counts = {
    double: countModules(graph, 'transformer_blocks', 'attn.to_q.weight'),
    single: countModules(graph, 'single_transformer_blocks', 'attn.to_q.weight'),
  };
  const residuals = (kind: 'block' | 'single_block', blocks: number) =>
    form.residuals ? residualsOf(graph, kind, inner, blocks, form.references === true) : undefined;
  const double = residuals('block', counts.double);
  const single = residuals('single_block', counts.single);

  const { tokens: own, grid } = intoTokens(graph, sample, channels);
  const tokens = withReference(graph, own, reference, rotary, states);
  let image = graph.widen(linear(graph, tokens, 'x_embedder'), 'x_embedder');
  let text = graph.widen(linear(graph, states, 'context_embedder'), 'context_embedder');
  const cache = new FirstBlock(graph, form, inner);
  const ownLength = sizeOf(graph, own, 1, 'x_embedder');
  const ofPicture = (x: Value, path: string) => (reference ? slice(graph, x, 1, 0, ownLength, path) : x);
  for (let i = 0; i < cache.blocks(counts.double); i++) {
    const path = `transformer_blocks.${i}`;
    const before = image;
    [text, image] = doubleBlock(context, text, image, path);
    if (double) image = double(image, i);
    if (i === 0) cache.done(ofPicture(before, path), ofPicture(image, path));
  }

  const name = 'norm_out';
  const from = sizeOf(graph, states, 1, name);
  let picture = image;
  if (cache.isLast) picture = ofPicture(image, name);
  else {
    let joint = graph.node('Concat', [text, image], { name: 'single_transformer_blocks', attributes: { axis: 1 } });
    for (let i = 0; i < counts.single; i++) {
      joint = singleBlock(context, joint, `single_transformer_blocks.${i}`);
      if (single) joint = single(joint, i, from);
    }
    picture = slice(graph, joint, 1, from, graph.node('Add', [from, ownLength], { name }), name);
  }
  picture = cache.last(picture);
  const [scale, shift] = modulationHalves(graph, vector, 'norm_out.linear');
  const last = modulate(graph, plainLayerNorm(graph, picture, name, inner, FLUX_EPSILON), name, scale, shift);
  const out = linear(graph, graph.inPrecision(last, name), 'proj_out');
  const latents = graph.shapeOf('proj_out.weight')[0]! / FLUX_PATCH ** 2;
  graph.leave('out_sample', fromTokens(graph, out, grid, latents), ['batch', latents, 'height', 'width']);
  return graph.finish('fluxTransformer');
}

/**
 * Adds what a ControlNet has for a block of a kind to the picture's tokens, which begin after `skipped` others.
 *
 * Sample j goes to block i, j = ⌊i / ⌈blocks / samples⌉⌋: a ControlNet may have fewer blocks than the transformer.
 *
 * @param referring - whether tokens of a reference may follow those of the picture, which a ControlNet has nothing for
 */
function residualsOf(
  graph: GraphBuilder,
  kind: 'block' | 'single_block',
  inner: number,
  blocks: number,
  referring: boolean,
) {
  const name = `${kind}_additional_residuals`;
  const given = graph.enterWide(name, ['batch', `${kind}_samples`, `${kind}_tokens`, inner]);
  const samples = sizeOf(graph, given, 1, name);
  const rest = graph.node('Sub', [samples, graph.ints([1])], { name });
  const all = graph.node('Add', [rest, graph.ints([blocks])], { name });
  const share = graph.node('Div', [all, samples], { name });
  return (x: Value, block: number, skipped?: Value): Value => {
    const index = graph.node('Div', [graph.ints([block]), share], { name });
    const found = graph.node('Gather', [given, index], { name, attributes: { axis: 1 } });
    const residual = graph.node('Squeeze', [found, graph.ints([1])], { name });
    const add = (tokens: Value) =>
      graph.node('Add', [tokens, referring ? filledTo(graph, residual, tokens, name) : residual], { name });
    if (skipped === undefined) return add(x);
    const before = slice(graph, x, 1, 0, skipped, name);
    const changed = add(slice(graph, x, 1, skipped, toTheEnd, name));
    return graph.node('Concat', [before, changed], { name, attributes: { axis: 1 } });
  };
}

/** A wide [batch, tokens, inner] with zeros behind it, up to the tokens of `x`. */
function filledTo(graph: GraphBuilder, residual: Value, x: Value, name: string): Value {
  const [wanted, given] = [x, residual].map((value) => sizeOf(graph, value, 1, name)) as [Value, Value];
  const missing = graph.node('Sub', [wanted, given], { name });
  // Before and after, for each of the three axes.
  const pads = graph.node('Concat', [graph.ints([0, 0, 0, 0]), missing, graph.ints([0])], {
    name,
    attributes: { axis: 0 },
  });
  return graph.node('Pad', [residual, pads], { name });
}
