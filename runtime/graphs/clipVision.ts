import type { StoredTensors } from '../files/safetensors.ts';
import { GraphBuilder, GraphError, type GraphForm, type Written } from './builder.ts';
import { activationOf, layerNorm, linear } from './layers.ts';
import { patchRows, visionRoot, visionStates } from './visionLayers.ts';

/** `config.json` of a CLIP vision model as transformers writes it; what is absent has the values of OpenCLIP's ViT-H/14. */
export interface ClipVisionConfig {
  num_attention_heads?: number;
  hidden_act?: string;
  layer_norm_eps?: number;
  image_size?: number;
}

/** Of all published models with patches of 14 pixels: ViT-L, ViT-H and ViT-bigG. */
const HEADS = 16;

/**
 * CLIP's picture encoder with its projection (transformers' CLIPVisionModelWithProjection).
 *
 * Input: `pixel_values` [batch, 3, size, size], the fixed size of the model, normalized by CLIP's mean and deviation.
 * Outputs: `image_embeds` [batch, projection], of the picture as a whole; `hidden_states` [batch, 1 + patches, hidden], what the
 * last layer but one leaves, not normalized.
 */
export function writeClipVision(config: ClipVisionConfig, tensors: StoredTensors, form: GraphForm = {}): Written {
  const graph = new GraphBuilder(tensors, form);
  const root = visionRoot(tensors);
  const epsilon = config.layer_norm_eps ?? 1e-5;
  const heads = config.num_attention_heads ?? HEADS;
  const activation = activationOf(config.hidden_act ?? 'gelu', 'picture encoder');
  const embeddings = `${root}embeddings`;
  const [hidden, colors, side] = graph.shapeOf(`${embeddings}.patch_embedding.weight`) as [number, number, number];
  const [positions] = graph.shapeOf(`${embeddings}.position_embedding.weight`) as [number];
  const { image_size: size } = config;
  if (size !== undefined && Math.floor(size / side) ** 2 + 1 !== positions) {
    throw new GraphError(
      `The config says image_size: ${size}, but the weights have ${positions} positions for patches of ${side} pixels.`,
    );
  }
  const [projection] = graph.shapeOf('visual_projection.weight') as [number];

  const pixels = graph.enter('pixel_values', ['batch', colors, 'height', 'width']);
  const patches = patchRows(graph, pixels, `${embeddings}.patch_embedding`);
  const name = embeddings;
  const whole = graph.repeated(graph.weight(`${embeddings}.class_embedding`), patches, [1, hidden], name);
  const joined = graph.node('Concat', [whole, patches], { name, attributes: { axis: 1 } });
  const placed = graph.node('Add', [joined, graph.weight(`${embeddings}.position_embedding.weight`)], { name });
  // The name of this layer is misspelled in the published models.
  const rows = layerNorm(graph, placed, `${root}pre_layrnorm`, epsilon);
  const states = visionStates(graph, rows, `${root}encoder.layers`, { heads, epsilon, activation });

  const first = graph.node('Gather', [states.at(-1)!, graph.ints(0)], { name: 'pooler', attributes: { axis: 1 } });
  const pooled = layerNorm(graph, first, `${root}post_layernorm`, epsilon);
  graph.leave('image_embeds', linear(graph, pooled, 'visual_projection'), ['batch', projection]);
  graph.leave('hidden_states', states.at(-2)!, ['batch', 'rows', hidden]);
  return graph.finish('clipVision');
}
