import type { StoredTensors } from '../files/safetensors.ts';
import { type AdaptedForm, GraphBuilder, type Value, type Written } from './builder.ts';
import { doubleBlock, embedding, FLUX_PATCH, type FluxContext, intoTokens, singleBlock } from './fluxBlocks.ts';
import { linear, silu } from './layers.ts';
import { countModules, rotaryInputs, sizeOf, slice, toTheEnd } from './transformerLayers.ts';

/**
 * A ControlNet of FLUX.1 (diffusers' FluxControlNetModel). All sizes are read off the shapes; a table of modes tells a union.
 *
 * Inputs: those of the transformer (see `writeFluxTransformer`), `controlnet_cond` [batch, channels, height, width], the guide
 * image in scaled latents, `conditioning_scale` [batch, samples], one factor for each sample of both outputs, and, for a union,
 * `control_mode` int64 [batch].
 * The rotary tables of a union have a row more, all zeros in its position, in front: a mode is a token.
 * Outputs: `block_samples` and `single_block_samples` [batch, samples, tokens, inner], each only where it has samples.
 */
export function writeFluxControlNet(tensors: StoredTensors, form: AdaptedForm = {}): Written {
  const graph = new GraphBuilder(tensors, form);
  const [inner, features] = graph.shapeOf('x_embedder.weight') as [number, number];
  const channels = features / FLUX_PATCH ** 2;
  const head = graph.shapeOf('transformer_blocks.0.attn.norm_q.weight')[0]!;

  const sample = graph.enter('sample', ['batch', channels, 'height', 'width']);
  const timestep = graph.input('timestep', 'float32', ['batch']);
  const textWidth = graph.shapeOf('context_embedder.weight')[1]!;
  const states = graph.enter('encoder_hidden_states', ['batch', 'length', textWidth]);
  const guide = graph.enter('controlnet_cond', ['batch', channels, 'height', 'width']);
  const vector = silu(graph, embedding(graph, timestep), 'time_text_embed');
  const rotary = rotaryInputs(graph, head, sample, true);
  const context: FluxContext = { graph, inner, heads: inner / head, rotary, vector };

  const own = linear(graph, intoTokens(graph, sample, channels).tokens, 'x_embedder');
  const shown = linear(graph, intoTokens(graph, guide, channels).tokens, 'controlnet_x_embedder');
  let image = graph.node('Add', [graph.widen(own, 'x_embedder'), graph.widen(shown, 'controlnet_x_embedder')], {
    name: 'controlnet_x_embedder',
  });
  let text = graph.widen(linear(graph, states, 'context_embedder'), 'context_embedder');
  const modes = 'controlnet_mode_embedder';
  if (graph.has(`${modes}.weight`)) {
    const mode = graph.input('control_mode', 'int64', ['batch']);
    const row = graph.node('Gather', [graph.weight(`${modes}.weight`), mode], { name: modes });
    const token = graph.node('Unsqueeze', [graph.widen(row, modes), graph.ints([1])], { name: modes });
    text = graph.node('Concat', [token, text], { name: modes, attributes: { axis: 1 } });
  }

  const doubles: Value[] = [];
  const sampleOf = (tokens: Value, path: string) => {
    const one = linear(graph, graph.inPrecision(tokens, path), path);
    return graph.node('Unsqueeze', [graph.widen(one, path), graph.ints([1])], { name: path });
  };
  for (let i = 0; i < countModules(graph, 'transformer_blocks', 'attn.to_q.weight'); i++) {
    [text, image] = doubleBlock(context, text, image, `transformer_blocks.${i}`);
    if (graph.has(`controlnet_blocks.${i}.weight`)) doubles.push(sampleOf(image, `controlnet_blocks.${i}`));
  }
  const singles: Value[] = [];
  const name = 'controlnet_single_blocks';
  const length = sizeOf(graph, text, 1, name);
  let joint = graph.node('Concat', [text, image], { name: 'single_transformer_blocks', attributes: { axis: 1 } });
  for (let i = 0; i < countModules(graph, 'single_transformer_blocks', 'attn.to_q.weight'); i++) {
    joint = singleBlock(context, joint, `single_transformer_blocks.${i}`);
    if (!graph.has(`${name}.${i}.weight`)) continue;
    singles.push(sampleOf(slice(graph, joint, 1, length, toTheEnd, name), `${name}.${i}`));
  }

  const given = graph.input('conditioning_scale', 'float32', ['batch', doubles.length + singles.length]);
  // [batch, samples] → [batch, samples, 1, 1]
  const scales = graph.node('Unsqueeze', [given, graph.ints([2, 3])], { name: 'conditioning_scale' });
  const leave = (output: string, samples: readonly Value[], from: number) => {
    if (samples.length === 0) return;
    const all = graph.node('Concat', samples, { name: output, attributes: { axis: 1 } });
    const own = slice(graph, scales, 1, from, from + samples.length, output);
    const scaled = graph.node('Mul', [all, own], { name: output });
    graph.leaveWide(output, scaled, ['batch', samples.length, 'tokens', inner]);
  };
  leave('block_samples', doubles, 0);
  leave('single_block_samples', singles, doubles.length);
  return graph.finish('fluxControlNet');
}
