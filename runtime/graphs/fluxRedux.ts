import type { StoredTensors } from '../files/safetensors.ts';
import { GraphBuilder, type GraphForm, type Written } from './builder.ts';
import { linear, silu } from './layers.ts';

/**
 * What makes words of a picture for FLUX.1 (diffusers' ReduxImageEncoder).
 *
 * Input: `image_embeds` [batch, patches, picture width], the states of SigLIP.
 * Output: `prompt_embeds` [batch, patches, text width], rows that follow those of the text.
 */
export function writeFluxRedux(tensors: StoredTensors, form: GraphForm = {}): Written {
  const graph = new GraphBuilder(tensors, form);
  const states = graph.enter('image_embeds', ['batch', 'patches', graph.shapeOf('redux_up.weight')[1]!]);
  const hidden = silu(graph, linear(graph, states, 'redux_up'), 'redux_up');
  const width = graph.shapeOf('redux_down.weight')[0]!;
  graph.leave('prompt_embeds', linear(graph, hidden, 'redux_down'), ['batch', 'patches', width]);
  return graph.finish('fluxRedux');
}
