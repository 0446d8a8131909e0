import type { StoredTensors } from '../files/safetensors.ts';
import { type AdaptedForm, type Written } from './builder.ts';
/** `config.json` of a T5 v1.1 encoder as transformers writes it; what is absent has the values of the published models. */
export interface T5Config {
  feed_forward_proj?: string;
  layer_norm_epsilon?: number;
  relative_attention_max_distance?: number;
}
/**
 * The encoder of T5 v1.1. Heads, layers and widths are read off the shapes.
 *
 * Input: `input_ids` int64 [batch, length]; what fills a row is read like any other token.
 * Output: `last_hidden_state` [batch, length, hidden], after the final normalization.
 */
export declare function writeT5Encoder(config: T5Config, tensors: StoredTensors, form?: AdaptedForm): Written;
