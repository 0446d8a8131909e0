import type { StoredTensors } from '../files/safetensors.ts';

/** Sizes of language models and of transformers that denoise; see `Rule`. */
declare const rules: {
  qwen3: (
    | {
        module: RegExp;
        sizes: {
          'embed_tokens.weight': string;
          'norm.weight': string;
          'input_layernorm.weight'?: never;
          'post_attention_layernorm.weight'?: never;
          'self_attn.q_proj.weight'?: never;
          'self_attn.k_proj.weight'?: never;
          'self_attn.v_proj.weight'?: never;
          'self_attn.o_proj.weight'?: never;
          'self_attn.q_norm.weight'?: never;
          'self_attn.k_norm.weight'?: never;
          'mlp.gate_proj.weight'?: never;
          'mlp.up_proj.weight'?: never;
          'mlp.down_proj.weight'?: never;
        };
      }
    | {
        module: RegExp;
        sizes: {
          'embed_tokens.weight'?: never;
          'norm.weight'?: never;
          'input_layernorm.weight': string;
          'post_attention_layernorm.weight': string;
          'self_attn.q_proj.weight': string;
          'self_attn.k_proj.weight': string;
          'self_attn.v_proj.weight': string;
          'self_attn.o_proj.weight': string;
          'self_attn.q_norm.weight': string;
          'self_attn.k_norm.weight': string;
          'mlp.gate_proj.weight': string;
          'mlp.up_proj.weight': string;
          'mlp.down_proj.weight': string;
        };
      }
  )[];
  zImage: (
    | {
        module: RegExp;
        sizes: {
          'attention_norm1.weight': string;
          'attention_norm2.weight': string;
          'ffn_norm1.weight': string;
          'ffn_norm2.weight': string;
          'attention.to_q.weight': string;
          'attention.to_k.weight': string;
          'attention.to_v.weight': string;
          'attention.to_out.0.weight': string;
          'attention.norm_q.weight': string;
          'attention.norm_k.weight': string;
          'feed_forward.w1.weight': string;
          'feed_forward.w3.weight': string;
          'feed_forward.w2.weight': string;
          'adaLN_modulation.0.weight': string;
          'adaLN_modulation.0.bias': string;
          'cap_embedder.0.weight'?: never;
          'cap_embedder.1.weight'?: never;
          'cap_embedder.1.bias'?: never;
          cap_pad_token?: never;
          x_pad_token?: never;
          't_embedder.mlp.0.weight'?: never;
          't_embedder.mlp.0.bias'?: never;
          't_embedder.mlp.2.weight'?: never;
          't_embedder.mlp.2.bias'?: never;
          'all_x_embedder.2-1.weight'?: never;
          'all_x_embedder.2-1.bias'?: never;
          'all_final_layer.2-1.adaLN_modulation.1.weight'?: never;
          'all_final_layer.2-1.adaLN_modulation.1.bias'?: never;
          'all_final_layer.2-1.linear.weight'?: never;
          'all_final_layer.2-1.linear.bias'?: never;
        };
      }
    | {
        module: RegExp;
        sizes: {
          'attention_norm1.weight'?: never;
          'attention_norm2.weight'?: never;
          'ffn_norm1.weight'?: never;
          'ffn_norm2.weight'?: never;
          'attention.to_q.weight'?: never;
          'attention.to_k.weight'?: never;
          'attention.to_v.weight'?: never;
          'attention.to_out.0.weight'?: never;
          'attention.norm_q.weight'?: never;
          'attention.norm_k.weight'?: never;
          'feed_forward.w1.weight'?: never;
          'feed_forward.w3.weight'?: never;
          'feed_forward.w2.weight'?: never;
          'adaLN_modulation.0.weight': string;
          'adaLN_modulation.0.bias': string;
          'cap_embedder.0.weight'?: never;
          'cap_embedder.1.weight'?: never;
          'cap_embedder.1.bias'?: never;
          cap_pad_token?: never;
          x_pad_token?: never;
          't_embedder.mlp.0.weight'?: never;
          't_embedder.mlp.0.bias'?: never;
          't_embedder.mlp.2.weight'?: never;
          't_embedder.mlp.2.bias'?: never;
          'all_x_embedder.2-1.weight'?: never;
          'all_x_embedder.2-1.bias'?: never;
          'all_final_layer.2-1.adaLN_modulation.1.weight'?: never;
          'all_final_layer.2-1.adaLN_modulation.1.bias'?: never;
          'all_final_layer.2-1.linear.weight'?: never;
          'all_final_layer.2-1.linear.bias'?: never;
        };
      }
    | {
        module: RegExp;
        sizes: {
          'attention_norm1.weight'?: never;
          'attention_norm2.weight'?: never;
          'ffn_norm1.weight'?: never;
          'ffn_norm2.weight'?: never;
          'attention.to_q.weight'?: never;
          'attention.to_k.weight'?: never;
          'attention.to_v.weight'?: never;
          'attention.to_out.0.weight'?: never;
          'attention.norm_q.weight'?: never;
          'attention.norm_k.weight'?: never;
          'feed_forward.w1.weight'?: never;
          'feed_forward.w3.weight'?: never;
          'feed_forward.w2.weight'?: never;
          'adaLN_modulation.0.weight'?: never;
          'adaLN_modulation.0.bias'?: never;
          'cap_embedder.0.weight': string;
          'cap_embedder.1.weight': string;
          'cap_embedder.1.bias': string;
          cap_pad_token: string;
          x_pad_token: string;
          't_embedder.mlp.0.weight': string;
          't_embedder.mlp.0.bias': string;
          't_embedder.mlp.2.weight': string;
          't_embedder.mlp.2.bias': string;
          'all_x_embedder.2-1.weight': string;
          'all_x_embedder.2-1.bias': string;
          'all_final_layer.2-1.adaLN_modulation.1.weight': string;
          'all_final_layer.2-1.adaLN_modulation.1.bias': string;
          'all_final_layer.2-1.linear.weight': string;
          'all_final_layer.2-1.linear.bias': string;
        };
      }
  )[];
  flux2: (
    | {
        module: RegExp;
        sizes: {
          'x_embedder.weight': string;
          'context_embedder.weight': string;
          'proj_out.weight': string;
          'norm_out.linear.weight': string;
          'time_guidance_embed.timestep_embedder.linear_1.weight': string;
          'time_guidance_embed.timestep_embedder.linear_2.weight': string;
          'double_stream_modulation_img.linear.weight': string;
          'double_stream_modulation_txt.linear.weight': string;
          'single_stream_modulation.linear.weight': string;
          'attn.to_q.weight'?: never;
          'attn.to_k.weight'?: never;
          'attn.to_v.weight'?: never;
          'attn.to_out.0.weight'?: never;
          'attn.add_q_proj.weight'?: never;
          'attn.add_k_proj.weight'?: never;
          'attn.add_v_proj.weight'?: never;
          'attn.to_add_out.weight'?: never;
          'attn.norm_added_q.weight'?: never;
          'attn.norm_added_k.weight'?: never;
          'ff.linear_in.weight'?: never;
          'ff.linear_out.weight'?: never;
          'ff_context.linear_in.weight'?: never;
          'ff_context.linear_out.weight'?: never;
          'attn.to_qkv_mlp_proj.weight'?: never;
          'attn.to_out.weight'?: never;
          'attn.norm_q.weight'?: never;
          'attn.norm_k.weight'?: never;
        };
      }
    | {
        module: RegExp;
        sizes: {
          'x_embedder.weight'?: never;
          'context_embedder.weight'?: never;
          'proj_out.weight'?: never;
          'norm_out.linear.weight'?: never;
          'time_guidance_embed.timestep_embedder.linear_1.weight'?: never;
          'time_guidance_embed.timestep_embedder.linear_2.weight'?: never;
          'double_stream_modulation_img.linear.weight'?: never;
          'double_stream_modulation_txt.linear.weight'?: never;
          'single_stream_modulation.linear.weight'?: never;
          'attn.to_q.weight': string;
          'attn.to_k.weight': string;
          'attn.to_v.weight': string;
          'attn.to_out.0.weight': string;
          'attn.add_q_proj.weight': string;
          'attn.add_k_proj.weight': string;
          'attn.add_v_proj.weight': string;
          'attn.to_add_out.weight': string;
          'attn.norm_q.weight': string;
          'attn.norm_k.weight': string;
          'attn.norm_added_q.weight': string;
          'attn.norm_added_k.weight': string;
          'ff.linear_in.weight': string;
          'ff.linear_out.weight': string;
          'ff_context.linear_in.weight': string;
          'ff_context.linear_out.weight': string;
          'attn.to_qkv_mlp_proj.weight'?: never;
          'attn.to_out.weight'?: never;
        };
      }
    | {
        module: RegExp;
        sizes: {
          'x_embedder.weight'?: never;
          'context_embedder.weight'?: never;
          'proj_out.weight'?: never;
          'norm_out.linear.weight'?: never;
          'time_guidance_embed.timestep_embedder.linear_1.weight'?: never;
          'time_guidance_embed.timestep_embedder.linear_2.weight'?: never;
          'double_stream_modulation_img.linear.weight'?: never;
          'double_stream_modulation_txt.linear.weight'?: never;
          'single_stream_modulation.linear.weight'?: never;
          'attn.to_q.weight'?: never;
          'attn.to_k.weight'?: never;
          'attn.to_v.weight'?: never;
          'attn.to_out.0.weight'?: never;
          'attn.add_q_proj.weight'?: never;
          'attn.add_k_proj.weight'?: never;
          'attn.add_v_proj.weight'?: never;
          'attn.to_add_out.weight'?: never;
          'attn.norm_added_q.weight'?: never;
          'attn.norm_added_k.weight'?: never;
          'ff.linear_in.weight'?: never;
          'ff.linear_out.weight'?: never;
          'ff_context.linear_in.weight'?: never;
          'ff_context.linear_out.weight'?: never;
          'attn.to_qkv_mlp_proj.weight': string;
          'attn.to_out.weight': string;
          'attn.norm_q.weight': string;
          'attn.norm_k.weight': string;
        };
      }
  )[];
};
/**
 * Checks that the tensors of such a network are all there and fit one another.
 *
 * @throws {ModelError} naming the first tensor that does not fit
 */
export declare function checkTransformerShapes(network: keyof typeof rules, tensors: StoredTensors): void;
