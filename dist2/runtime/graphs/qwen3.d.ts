import type { StoredTensors } from '../files/safetensors.ts';
import { type AdaptedForm, type Written } from './builder.ts';
/** `text_encoder/config.json` as transformers writes it; what is absent has the values of Qwen3 4B. */
export interface Qwen3Config {
  hidden_act?: string;
  rms_norm_eps?: number;
  rope_theta?: number;
  /** Where transformers 5 and later write the base. */
  rope_parameters?: {
    rope_theta?: number;
    rope_type?: string;
  } | null;
  rope_scaling?: unknown;
  use_sliding_window?: boolean;
}
export interface Qwen3Form extends AdaptedForm {
  /**
   * Which states are wanted, as transformers counts them: 0 is the embedding, `n` what layer n - 1 left, the last one is
   * normed; below 0 from the end. Layers that none of them needs are not written.
   */
  states: readonly number[];
  /** Adds the input `attention_mask`, which hides tokens as keys. Default false. */
  attentionMask?: boolean;
}
/**
 * The Qwen3 language model as a text encoder, without its output layer. Heads, layers and widths are read off the shapes.
 *
 * Inputs: `input_ids` int64 [batch, length]; where the form asks for it `attention_mask` int32 [batch, length], 0 for tokens
 * that no other sees. Positions count from 0, hidden tokens included.
 * Output: `hidden_states` [batch, length, states · hidden], the wanted states side by side in each row.
 */
export declare function writeQwen3(config: Qwen3Config, tensors: StoredTensors, form: Qwen3Form): Written;
