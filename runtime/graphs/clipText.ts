import type { StoredTensors } from '../files/safetensors.ts';
import { type AdaptedForm, GraphBuilder, GraphError, type Value, type Written } from './builder.ts';
import { activationOf, addAndNorm, attention, layerNorm, linear, linearProduct } from './layers.ts';

/** `text_encoder/config.json` as transformers writes it; what is absent has CLIP's default. */
export interface ClipTextConfig {
  architectures?: string[];
  hidden_size?: number;
  num_hidden_layers?: number;
  num_attention_heads?: number;
  hidden_act?: string;
  layer_norm_eps?: number;
  eos_token_id?: number;
}

export interface ClipTextForm extends AdaptedForm {
  /** Which states become outputs: `all` (default), `plain` as exporters write them (not normalized), or `none`. */
  states?: 'all' | 'plain' | 'none' | undefined;
  /** Adds the input `extra_embeddings`, which holds vectors of tokens that the vocabulary lacks. Default false. */
  extraEmbeddings?: boolean | undefined;
  /** Adds the input `attention_mask`, which hides tokens from all others. Default false. */
  attentionMask?: boolean | undefined;
}

/**
 * CLIP's text encoder, with or without projection (`text_projection.weight` decides).
 *
 * Inputs: `input_ids` int64 [batch, length], length up to the number of stored positions; and if the form asks for them
 * `extra_embeddings` [count, hidden], count 1 or more, whose row k is the token of id -1 - k (below 0, so that an id never
 * depends on the size of the vocabulary and is never the largest, which some configs take for the end of the text), and
 * `attention_mask` int32 [batch, length], 0 where a token is to be seen by no other and 1 elsewhere.
 * Outputs: `last_hidden_state` [batch, length, hidden] (after the final normalization), `hidden_states.0` … `.N` (the
 * embeddings and what each layer left, before it), `normalized_hidden_states.1` … `.N-1` (the same after the final
 * normalization, which Stable Diffusion's clip skip wants; exported graphs lack these), and `pooler_output`
 * [batch, hidden] or, with projection, `text_embeds` [batch, projection].
 */
export function writeClipText(config: ClipTextConfig, tensors: StoredTensors, form: ClipTextForm = {}): Written {
  const graph = new GraphBuilder(tensors, form);
  // Newer releases of transformers leave the outer prefix away.
  const root = graph.has('text_model.embeddings.token_embedding.weight') ? 'text_model.' : '';
  const embeddings = `${root}embeddings`;
  const hidden = graph.shapeOf(`${embeddings}.token_embedding.weight`)[1]!;
  const heads = config.num_attention_heads ?? 8;
  const epsilon = config.layer_norm_eps ?? 1e-5;
  const activation = activationOf(config.hidden_act ?? 'quick_gelu', 'text encoder');
  const layers = countLayers(graph, `${root}encoder.layers`);
  if (config.num_hidden_layers !== undefined && config.num_hidden_layers !== layers) {
    throw new GraphError(`The text encoder has ${layers} layers, but its config says ${config.num_hidden_layers}.`);
  }

  const ids = graph.input('input_ids', 'int64', ['batch', 'length']);
  const extra = form.extraEmbeddings ? graph.enter('extra_embeddings', ['count', hidden]) : undefined;
  const mask = form.attentionMask ? graph.input('attention_mask', 'int32', ['batch', 'length']) : undefined;
  const states: Value[] = [];

  // Token embeddings plus the first `length` position embeddings: [batch, length, hidden].
  const tokens = gatherTokens(graph, `${embeddings}.token_embedding`, ids, extra);
  const length = graph.node('Shape', [ids], { name: embeddings, attributes: { start: 1, end: 2 } });
  const positions = graph.node(
    'Slice',
    [graph.weight(`${embeddings}.position_embedding.weight`), graph.ints([0]), length, graph.ints([0])],
    { name: `${embeddings}.position_embedding` },
  );
  let state = graph.node('Add', [tokens, positions], { name: embeddings });
  states.push(state);

  const layerPath = (layer: number) => `${root}encoder.layers.${layer}`;
  let normal = layers > 0 ? layerNorm(graph, state, `${layerPath(0)}.layer_norm1`, epsilon) : state;
  for (let layer = 0; layer < layers; layer++) {
    const path = layerPath(layer);
    const [query, key, value] = ['q_proj', 'k_proj', 'v_proj'].map((name) =>
      linear(graph, normal, `${path}.self_attn.${name}`),
    ) as [Value, Value, Value];
    const attended = attention(graph, query, key, value, `${path}.self_attn`, {
      heads,
      width: hidden,
      causal: true,
      ...(mask && { mask }),
    });
    const mixed = linearProduct(graph, attended, `${path}.self_attn.out_proj`);
    const bias = graph.weight(`${path}.self_attn.out_proj.bias`);
    [normal, state] = addAndNorm(graph, mixed, state, bias, `${path}.layer_norm2`, epsilon);
    const inner = activation(graph, linear(graph, normal, `${path}.mlp.fc1`), `${path}.mlp`);
    const outer = linearProduct(graph, inner, `${path}.mlp.fc2`);
    const nextNorm = layer + 1 < layers ? `${layerPath(layer + 1)}.layer_norm1` : `${root}final_layer_norm`;
    [normal, state] = addAndNorm(graph, outer, state, graph.weight(`${path}.mlp.fc2.bias`), nextNorm, epsilon);
    states.push(state);
  }

  const last = graph.leave('last_hidden_state', normal, ['batch', 'length', hidden]);
  const pooled = pool(graph, ids, last, config.eos_token_id ?? 2);
  if (graph.has('text_projection.weight')) {
    const projected = linearProduct(graph, pooled, 'text_projection');
    const width = graph.shapeOf('text_projection.weight')[0]!;
    graph.leave('text_embeds', projected, ['batch', width]);
  } else {
    graph.leave('pooler_output', pooled, ['batch', hidden]);
  }
  const { states: wanted = 'all' } = form;
  for (const [index, value] of wanted === 'none' ? [] : states.entries()) {
    const named = graph.leave(`hidden_states.${index}`, value, ['batch', 'length', hidden]);
    if (wanted === 'plain' || index === 0 || index === layers) continue;
    const normalized = layerNorm(graph, named, `${root}final_layer_norm`, epsilon);
    graph.leave(`normalized_hidden_states.${index}`, normalized, ['batch', 'length', hidden]);
  }
  return graph.finish('clipText');
}

/** The vector of each id, from the vocabulary or, for ids below 0, from the extra ones: [batch, length, hidden]. */
function gatherTokens(graph: GraphBuilder, path: string, ids: Value, extra: Value | undefined): Value {
  const name = path;
  const table = graph.weight(`${path}.weight`);
  if (extra === undefined) return graph.node('Gather', [table, ids], { name });
  // Both tables are read at every position, so each index is made one that its table has.
  const known = graph.node('Gather', [table, graph.node('Max', [ids, graph.ints(0)], { name })], { name });
  const row = graph.node('Sub', [graph.ints(-1), ids], { name });
  const added = graph.node('Gather', [extra, graph.node('Max', [row, graph.ints(0)], { name })], { name });
  const isAdded = graph.node('Unsqueeze', [graph.node('Less', [ids, graph.ints(0)], { name }), graph.ints([-1])], {
    name,
  });
  return graph.node('Where', [isAdded, added, known], { name });
}

/**
 * The state at the end of the text: [batch, hidden].
 * Configs written before transformers 4.31 say `eos_token_id: 2`, which is not the tokenizer's; there the end is the
 * largest id. Otherwise it is the first token equal to `eos_token_id`.
 */
function pool(graph: GraphBuilder, ids: Value, last: Value, endToken: number): Value {
  const name = 'pooler';
  const marks =
    endToken === 2
      ? graph.cast(ids, 'int32', name)
      : graph.cast(graph.node('Equal', [ids, graph.ints(endToken)], { name }), 'int32', name);
  const position = graph.node('ArgMax', [marks], { name, attributes: { axis: -1, keepdims: 1 } });
  return graph.node('GatherND', [last, position], { name, attributes: { batch_dims: 1 } });
}

function countLayers(graph: GraphBuilder, path: string): number {
  let layers = 0;
  while (graph.has(`${path}.${layers}.layer_norm1.weight`)) layers++;
  return layers;
}
