import type { StoredTensors } from '../files/safetensors.ts';
import { checkRules, type Rule } from './checkShapes.ts';

/** Attention of a block of FLUX.1 or FLUX.2 that reads text and picture, each with matrices of its own. */
const jointAttention = {
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
} as const;

/** Of FLUX.1's transformer and of its ControlNets. */
const fluxBlocks: Rule[] = [
  {
    module: /^()(?:x_embedder|context_embedder|time_text_embed)\./,
    sizes: {
      'x_embedder.weight': 'M p',
      'x_embedder.bias': 'M',
      'context_embedder.weight': 'M C',
      'context_embedder.bias': 'M',
      'time_text_embed.timestep_embedder.linear_1.weight': 'M w',
      'time_text_embed.timestep_embedder.linear_2.weight': 'M M',
      'time_text_embed.text_embedder.linear_1.weight': 'M t',
      'time_text_embed.text_embedder.linear_2.weight': 'M M',
      'time_text_embed.guidance_embedder.linear_1.weight': '? M w',
      'time_text_embed.guidance_embedder.linear_2.weight': '? M M',
    },
  },
  {
    module: /^(transformer_blocks\.\d+\.)(?:attn|ff|ff_context|norm1|norm1_context)\./,
    sizes: {
      'norm1.linear.weight': 'd M',
      'norm1.linear.bias': 'd',
      'norm1_context.linear.weight': 'd M',
      'norm1_context.linear.bias': 'd',
      ...jointAttention,
      'ff.net.0.proj.weight': 'f M',
      'ff.net.2.weight': 'M f',
      'ff_context.net.0.proj.weight': 'g M',
      'ff_context.net.2.weight': 'M g',
    },
  },
  {
    module: /^(single_transformer_blocks\.\d+\.)(?:attn|norm|proj_mlp|proj_out)\./,
    sizes: {
      'norm.linear.weight': 's M',
      'norm.linear.bias': 's',
      'attn.to_q.weight': 'M M',
      'attn.to_k.weight': 'M M',
      'attn.to_v.weight': 'M M',
      'attn.norm_q.weight': 'D',
      'attn.norm_k.weight': 'D',
      'proj_mlp.weight': 'f M',
      'proj_out.weight': 'M c',
    },
  },
];

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
  t5: [
    {
      module: /^(encoder\.block\.\d+\.)layer\./,
      sizes: {
        'layer.0.layer_norm.weight': 'H',
        'layer.0.SelfAttention.q.weight': 'Q H',
        'layer.0.SelfAttention.k.weight': 'Q H',
        'layer.0.SelfAttention.v.weight': 'Q H',
        'layer.0.SelfAttention.o.weight': 'H Q',
        'layer.1.layer_norm.weight': 'H',
        'layer.1.DenseReluDense.wo.weight': 'H F',
      },
    },
    // The first T5 has no gates.
    {
      module: /^(encoder\.block\.\d+\.)layer\./,
      unless: 'layer.1.DenseReluDense.wi.weight',
      sizes: { 'layer.1.DenseReluDense.wi_0.weight': 'F H', 'layer.1.DenseReluDense.wi_1.weight': 'F H' },
    },
    { module: /^(encoder\.block\.\d+\.layer\.1\.DenseReluDense\.wi\.)/, sizes: { weight: 'F H' } },
    { module: /^()encoder\.final_layer_norm\./, sizes: { 'encoder.final_layer_norm.weight': 'H' } },
    { module: /^()(?:shared|encoder\.embed_tokens)\./, sizes: { 'shared.weight': '? v H' } },
  ],
  flux: [
    ...fluxBlocks,
    {
      module: /^()(?:proj_out|norm_out)\./,
      sizes: {
        'norm_out.linear.weight': 'n M',
        'norm_out.linear.bias': 'n',
        'proj_out.weight': 'l M',
        'proj_out.bias': 'l',
      },
    },
  ],
  fluxControlNet: [
    ...fluxBlocks,
    { module: /^()controlnet_x_embedder\./, sizes: { 'controlnet_x_embedder.weight': 'M p' } },
    { module: /^()controlnet_mode_embedder\./, sizes: { 'controlnet_mode_embedder.weight': 'k M' } },
    { module: /^(controlnet_(?:single_)?blocks\.\d+\.)/, sizes: { weight: 'M M', bias: 'M' } },
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
        ...jointAttention,
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
  sd3: [
    {
      module: /^()(?:pos_embed|context_embedder|time_text_embed|norm_out|proj_out)\./,
      sizes: {
        'pos_embed.proj.weight': 'M L k k',
        'pos_embed.proj.bias': 'M',
        'pos_embed.pos_embed': '1 t M',
        'context_embedder.weight': 'M C',
        'context_embedder.bias': 'M',
        'time_text_embed.timestep_embedder.linear_1.weight': 'M w',
        'time_text_embed.timestep_embedder.linear_1.bias': 'M',
        'time_text_embed.timestep_embedder.linear_2.weight': 'M M',
        'time_text_embed.timestep_embedder.linear_2.bias': 'M',
        'time_text_embed.text_embedder.linear_1.weight': 'M p',
        'time_text_embed.text_embedder.linear_1.bias': 'M',
        'time_text_embed.text_embedder.linear_2.weight': 'M M',
        'time_text_embed.text_embedder.linear_2.bias': 'M',
        'norm_out.linear.weight': 'n M',
        'norm_out.linear.bias': 'n',
        'proj_out.weight': 'o M',
        'proj_out.bias': 'o',
      },
    },
    {
      module: /^(transformer_blocks\.\d+\.)/,
      sizes: {
        'attn.to_q.weight': 'M M',
        'attn.to_q.bias': 'M',
        'attn.to_k.weight': 'M M',
        'attn.to_k.bias': 'M',
        'attn.to_v.weight': 'M M',
        'attn.to_v.bias': 'M',
        'attn.to_out.0.weight': 'M M',
        'attn.to_out.0.bias': 'M',
        'attn.add_q_proj.weight': 'M M',
        'attn.add_q_proj.bias': 'M',
        'attn.add_k_proj.weight': 'M M',
        'attn.add_k_proj.bias': 'M',
        'attn.add_v_proj.weight': 'M M',
        'attn.add_v_proj.bias': 'M',
        'attn.to_add_out.weight': '? M M',
        'attn.to_add_out.bias': '? M',
        'attn2.to_q.weight': '? M M',
        'attn2.to_q.bias': '? M',
        'attn2.to_k.weight': '? M M',
        'attn2.to_k.bias': '? M',
        'attn2.to_v.weight': '? M M',
        'attn2.to_v.bias': '? M',
        'attn2.to_out.0.weight': '? M M',
        'attn2.to_out.0.bias': '? M',
        'attn.norm_q.weight': '? D',
        'attn.norm_k.weight': '? D',
        'attn.norm_added_q.weight': '? D',
        'attn.norm_added_k.weight': '? D',
        'attn2.norm_q.weight': '? D',
        'attn2.norm_k.weight': '? D',
        'norm1.linear.weight': 'm M',
        'norm1.linear.bias': 'm',
        'norm1_context.linear.weight': 'c M',
        'norm1_context.linear.bias': 'c',
        'ff.net.0.proj.weight': 'F M',
        'ff.net.0.proj.bias': 'F',
        'ff.net.2.weight': 'M F',
        'ff.net.2.bias': 'M',
        'ff_context.net.0.proj.weight': '? F M',
        'ff_context.net.0.proj.bias': '? F',
        'ff_context.net.2.weight': '? M F',
        'ff_context.net.2.bias': '? M',
      },
    },
  ],
} satisfies Record<string, Rule[]>;

/**
 * Checks that the tensors of such a network are all there and fit one another.
 *
 * @throws {ModelError} naming the first tensor that does not fit
 */
export function checkTransformerShapes(network: keyof typeof rules, tensors: StoredTensors): void {
  checkRules(tensors, rules[network]);
}
