import { expect, test } from 'vitest';
import { loraNames } from '../../runtime/addons/loraKeys.ts';

const none = { denoiser: [], text_encoder: [], text_encoder_2: [], text_encoder_3: [] };
const names = (modules: Partial<typeof none> | Record<string, string[]>) =>
  loraNames({ ...none, ...modules }, { folder: 'transformer', aliases: () => [] });

const t5 = 'encoder.block.0.layer.0.SelfAttention.q';

test('T5 is the third encoder to trainers, whether a model has three encoders or two', () => {
  const layer = 'lora_te3_encoder_block_0_layer_0_SelfAttention_q';
  expect(names({ text_encoder_2: [t5] }).get(layer)).toEqual([{ component: 'text_encoder_2', path: t5 }]);
  const clip = 'text_model.encoder.layers.0.self_attn.q_proj';
  const three = names({ text_encoder_2: [clip], text_encoder_3: [t5] });
  expect(three.get(layer)).toEqual([{ component: 'text_encoder_3', path: t5 }]);
  expect(three.get('lora_te2_text_model_encoder_layers_0_self_attn_q_proj')).toMatchObject([
    { component: 'text_encoder_2' },
  ]);
});
