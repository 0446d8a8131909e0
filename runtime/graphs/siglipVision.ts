import type { StoredTensors } from '../files/safetensors.ts';
import { GraphBuilder, type GraphForm, type Written } from './builder.ts';
import { activationOf, layerNorm } from './layers.ts';
import { patchRows, visionRoot, visionStates } from './visionLayers.ts';

/** `config.json` of a SigLIP vision model as transformers writes it; what is absent has the values of the published models. */
export interface SiglipVisionConfig {
  num_attention_heads?: number;
  hidden_act?: string;
  layer_norm_eps?: number;
}

/** Of the so400m model, which FLUX.1 Redux looks through. */
const HEADS = 16;

/**
 * The picture encoder of SigLIP, without its pooling head. Layers, widths and the size of patches are read off the shapes.
 *
 * Input: `pixel_values` [batch, 3, size, size], the fixed size of the model, RGB in [-1, 1]; what is left at the right and the
 * bottom of whole patches is not looked at.
 * Output: `last_hidden_state` [batch, patches, hidden], after the final normalization.
 */
export function writeSiglipVision(config: SiglipVisionConfig, tensors: StoredTensors, form: GraphForm = {}): Written {
  const graph = new GraphBuilder(tensors, form);
  const root = visionRoot(tensors);
  const epsilon = config.layer_norm_eps ?? 1e-6;
  const heads = config.num_attention_heads ?? HEADS;
  const activation = activationOf(config.hidden_act ?? 'gelu_pytorch_tanh', 'picture encoder');
  const embeddings = `${root}embeddings`;
  const [hidden, colors] = graph.shapeOf(`${embeddings}.patch_embedding.weight`) as [number, number];

  const pixels = graph.enter('pixel_values', ['batch', colors, 'height', 'width']);
  const patches = patchRows(graph, pixels, `${embeddings}.patch_embedding`);
  const positions = graph.weight(`${embeddings}.position_embedding.weight`);
  const rows = graph.node('Add', [patches, positions], { name: embeddings });
  const states = visionStates(graph, rows, `${root}encoder.layers`, { heads, epsilon, activation });
  const last = layerNorm(graph, states.at(-1)!, `${root}post_layernorm`, epsilon);
  graph.leave('last_hidden_state', last, ['batch', 'patches', hidden]);
  return graph.finish('siglipVision');
}
