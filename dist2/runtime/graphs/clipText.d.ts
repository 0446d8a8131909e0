import type { StoredTensors } from '../files/safetensors.ts';
import { type AdaptedForm, type Written } from './builder.ts';
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
export declare function writeClipText(config: ClipTextConfig, tensors: StoredTensors, form?: ClipTextForm): Written;
