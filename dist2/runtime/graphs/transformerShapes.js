import { checkRules } from './checkShapes.js';

/** Sizes of language models and of transformers that denoise; see `Rule`. */
const rules = {
  qwen3: [
    { module: /^((?:model\.)?)(?:embed_tokens|norm)\./, sizes: { 'embed_tokens.weight': 'v H', 'norm.weight': '? H' } },
    {
      module: /^((?:model\.)?layers\.\d+\.)(?:self_attn|mlp|input_layernorm|post_attention_layernorm)\./,
      sizes: {
        'input_layernorm.weight': 'H',
        'post_attention_layernorm.weight': 'H',
        'self_attn.q_proj.weight': 'Q H',
        'self_attn.k_proj.weight': 'K H',
        'self_attn.v_proj.weight': 'K H',
        'self_attn.o_proj.weight': 'H Q',
        'self_attn.q_norm.weight': 'D',
        'self_attn.k_norm.weight': 'D',
        'mlp.gate_proj.weight': 'F H',
        'mlp.up_proj.weight': 'F H',
        'mlp.down_proj.weight': 'H F',
      },
    },
  ],
  zImage: [
    {
      module:
        /^((?:layers|noise_refiner|context_refiner)\.\d+\.)(?:attention|feed_forward|ffn_norm|attention_norm|adaLN)/,
      sizes: {
        'attention_norm1.weight': 'M',
        'attention_norm2.weight': 'M',
        'ffn_norm1.weight': 'M',
        'ffn_norm2.weight': 'M',
        'attention.to_q.weight': 'M M',
        'attention.to_k.weight': 'M M',
        'attention.to_v.weight': 'M M',
        'attention.to_out.0.weight': 'M M',
        'attention.norm_q.weight': 'D',
        'attention.norm_k.weight': 'D',
        'feed_forward.w1.weight': 'f M',
        'feed_forward.w3.weight': 'f M',
        'feed_forward.w2.weight': 'M f',
        'adaLN_modulation.0.weight': '? a T',
        'adaLN_modulation.0.bias': '? a',
      },
    },
    // Only the blocks that read the caption hear no time.
    {
      module: /^((?:layers|noise_refiner)\.\d+\.)(?:attention|feed_forward|ffn_norm|attention_norm|adaLN)/,
      sizes: { 'adaLN_modulation.0.weight': 'a T', 'adaLN_modulation.0.bias': 'a' },
    },
    {
      module: /^()(?:cap_embedder|cap_pad_token|x_pad_token|t_embedder|all_x_embedder|all_final_layer)/,
      sizes: {
        'cap_embedder.0.weight': 'C',
        'cap_embedder.1.weight': 'M C',
        'cap_embedder.1.bias': 'M',
        cap_pad_token: '1 M',
        x_pad_token: '1 M',
        't_embedder.mlp.0.weight': 'm w',
        't_embedder.mlp.0.bias': 'm',
        't_embedder.mlp.2.weight': 'T m',
        't_embedder.mlp.2.bias': 'T',
        'all_x_embedder.2-1.weight': 'M P',
        'all_x_embedder.2-1.bias': 'M',
        'all_final_layer.2-1.adaLN_modulation.1.weight': 'M T',
        'all_final_layer.2-1.adaLN_modulation.1.bias': 'M',
        'all_final_layer.2-1.linear.weight': 'P M',
        'all_final_layer.2-1.linear.bias': 'P',
      },
    },
  ],
  flux2: [
    {
      module:
        /^()(?:x_embedder|context_embedder|proj_out|norm_out|time_guidance_embed|(?:double|single)_stream_modulation)/,
      sizes: {
        'x_embedder.weight': 'M P',
        'context_embedder.weight': 'M C',
        'proj_out.weight': 'P M',
        'norm_out.linear.weight': 'n M',
        'time_guidance_embed.timestep_embedder.linear_1.weight': 'M w',
        'time_guidance_embed.timestep_embedder.linear_2.weight': 'M M',
        'double_stream_modulation_img.linear.weight': 'd M',
        'double_stream_modulation_txt.linear.weight': 'd M',
        'single_stream_modulation.linear.weight': 's M',
      },
    },
    {
      module: /^(transformer_blocks\.\d+\.)(?:attn|ff|ff_context)\./,
      sizes: {
        'attn.to_q.weight': 'M M',
        'attn.to_k.weight': 'M M',
        'attn.to_v.weight': 'M M',
        'attn.to_out.0.weight': 'M M',
        'attn.add_q_proj.weight': 'M M',
        'attn.add_k_proj.weight': 'M M',
        'attn.add_v_proj.weight': 'M M',
        'attn.to_add_out.weight': 'M M',
        'attn.norm_q.weight': 'D',
        'attn.norm_k.weight': 'D',
        'attn.norm_added_q.weight': 'D',
        'attn.norm_added_k.weight': 'D',
        'ff.linear_in.weight': 'f M',
        'ff.linear_out.weight': 'M g',
        'ff_context.linear_in.weight': 'f M',
        'ff_context.linear_out.weight': 'M g',
      },
    },
    {
      module: /^(single_transformer_blocks\.\d+\.)attn\./,
      sizes: {
        'attn.to_qkv_mlp_proj.weight': 'b M',
        'attn.to_out.weight': 'M c',
        'attn.norm_q.weight': 'D',
        'attn.norm_k.weight': 'D',
      },
    },
  ],
};
/**
 * Checks that the tensors of such a network are all there and fit one another.
 *
 * @throws {ModelError} naming the first tensor that does not fit
 */
export function checkTransformerShapes(network, tensors) {
  checkRules(tensors, rules[network]);
}
//# sourceMappingURL=transformerShapes.js.map
