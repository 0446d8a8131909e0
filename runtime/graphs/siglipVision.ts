import type { StoredTensors } from '../files/safetensors.ts';
import { GraphBuilder, type GraphForm, type Value, type Written } from './builder.ts';
import { activationOf, attention, conv, layerNorm, linear } from './layers.ts';
import { countModules } from './transformerLayers.ts';

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
  const root = siglipRoot(tensors);
  const epsilon = config.layer_norm_eps ?? 1e-6;
  const heads = config.num_attention_heads ?? HEADS;
  const activation = activationOf(config.hidden_act ?? 'gelu_pytorch_tanh', 'picture encoder');
  const embeddings = `${root}embeddings`;
  const [hidden, colors, side] = graph.shapeOf(`${embeddings}.patch_embedding.weight`) as [number, number, number];

  const pixels = graph.enter('pixel_values', ['batch', colors, 'height', 'width']);
  const name = embeddings;
  const patches = conv(graph, pixels, `${embeddings}.patch_embedding`, { stride: side, pads: [0, 0, 0, 0] });
  const flat = graph.node('Reshape', [patches, graph.ints([0, hidden, -1])], { name });
  const tokens = graph.node('Transpose', [flat], { name, attributes: { perm: [0, 2, 1] } });
  const positions = graph.weight(`${embeddings}.position_embedding.weight`);
  let state = graph.node('Add', [tokens, positions], { name });
  const add = (x: Value, y: Value, path: string) => graph.node('Add', [x, y], { name: path });
  for (let i = 0; i < countModules(graph, `${root}encoder.layers`, 'self_attn.q_proj.weight'); i++) {
    const path = `${root}encoder.layers.${i}`;
    const normal = layerNorm(graph, state, `${path}.layer_norm1`, epsilon);
    state = add(state, attend(graph, normal, `${path}.self_attn`, heads), path);
    const next = layerNorm(graph, state, `${path}.layer_norm2`, epsilon);
    const activated = activation(graph, linear(graph, next, `${path}.mlp.fc1`), `${path}.mlp`);
    state = add(state, linear(graph, activated, `${path}.mlp.fc2`), path);
  }
  const last = layerNorm(graph, state, `${root}post_layernorm`, epsilon);
  graph.leave('last_hidden_state', last, ['batch', 'patches', hidden]);
  return graph.finish('siglipVision');
}

/** What stands before the names of all tensors: transformers from 5 on leaves the outer prefix away. */
export function siglipRoot(tensors: StoredTensors): string {
  return tensors.has('vision_model.embeddings.patch_embedding.weight') ? 'vision_model.' : '';
}

function attend(graph: GraphBuilder, x: Value, path: string, heads: number): Value {
  const [query, key, value] = ['q', 'k', 'v'].map((which) => linear(graph, x, `${path}.${which}_proj`)) as [
    Value,
    Value,
    Value,
  ];
  const width = graph.shapeOf(`${path}.q_proj.weight`)[0]!;
  return linear(graph, attention(graph, query, key, value, path, { heads, width }), `${path}.out_proj`);
}
