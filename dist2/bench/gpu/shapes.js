import { count, planClip, planUNet, planVae } from '../randomModel.js';

const sd15 = { channels: [320, 640, 1280, 1280], depths: [1, 1, 1, 0], text: 768 };
/** 1280 of pooled text and six numbers of 256 sinusoids each. */
const sdxl = { channels: [320, 640, 1280], depths: [0, 2, 10], text: 2048, added: 1280 + 6 * 256 };
function clip(hidden, layers) {
  return {
    component: 'text_encoder',
    config: { num_hidden_layers: layers, num_attention_heads: hidden / 64, hidden_act: 'quick_gelu' },
    plan: () => planClip({ hidden, layers }),
  };
}
/** @param scaling - by which the graph knows whether the autoencoder's values fit half precision */
function decoder(scaling) {
  return {
    component: 'vae_decoder',
    config: { _class_name: 'AutoencoderKL', norm_num_groups: 32, scaling_factor: scaling },
    plan: () => planVae({ width: 128 }).filter(({ name }) => /^(decoder|post_quant_conv)\./.test(name)),
  };
}
const blocksDown = (depths) => depths.map((depth) => (depth > 0 ? 'CrossAttnDownBlock2D' : 'DownBlock2D'));
export const shapes = {
  sd15: {
    title: 'SD 1.5',
    unet: {
      component: 'denoiser',
      config: { attention_head_dim: 8, norm_num_groups: 32, down_block_types: blocksDown(sd15.depths) },
      plan: () => planUNet(sd15),
    },
    decoder: decoder(0.18215),
    encoder: clip(768, 12),
    text: 768,
  },
  sdxl: {
    title: 'XL',
    unet: {
      component: 'denoiser',
      config: {
        attention_head_dim: [5, 10, 20],
        norm_num_groups: 32,
        down_block_types: blocksDown(sdxl.depths),
        addition_embed_type: 'text_time',
        addition_time_embed_dim: 256,
      },
      plan: () => planUNet(sdxl),
    },
    decoder: decoder(0.13025),
    // The larger one of XL's two.
    encoder: clip(1280, 32),
    text: 2048,
    pooled: 1280,
  },
};
/** Numbers of two bytes. */
export function halfBytes(plan) {
  return plan.reduce((sum, { shape }) => sum + 2 * count(shape), 0);
}
const textLength = 77;
/**
 * Floating-point operations of one row of a UNet: two for each weight and position, and the two products of attention.
 * Normalizations and activations are left out.
 *
 * @param side - latents on each side
 */
export function unetOperations(plan, side) {
  const last = Math.max(...plan.map(({ name }) => Number(/^down_blocks\.(\d+)/.exec(name)?.[1] ?? 0)));
  let sum = 0;
  for (const { name, shape } of plan) {
    if (!name.endsWith('.weight') || shape.length < 2) continue;
    const [, way, block] = /^(down|up)_blocks\.(\d+)/.exec(name) ?? [];
    let level = 0;
    if (name.startsWith('mid_block')) level = last;
    else if (way === 'down') level = Number(block) + (name.includes('downsamplers') ? 1 : 0);
    else if (way === 'up') level = last - Number(block) - (name.includes('upsamplers') ? 1 : 0);
    const positions = Math.ceil(side / 2 ** level) ** 2;
    if (/embedding|time_emb_proj/.test(name)) sum += 2 * count(shape);
    else if (/attn2\.to_[kv]\./.test(name)) sum += 2 * count(shape) * textLength;
    else sum += 2 * count(shape) * positions;
    if (name.endsWith('.to_q.weight')) {
      const seen = name.includes('.attn1.') ? positions : textLength;
      sum += 4 * positions * seen * shape[0];
    }
  }
  return sum;
}
/** The same for a decoder of an autoencoder. @param side - latents on each side */
export function decoderOperations(plan, side) {
  let sum = 0;
  for (const { name, shape } of plan) {
    if (!name.endsWith('.weight') || shape.length < 2) continue;
    const [, block] = /up_blocks\.(\d+)/.exec(name) ?? [];
    const level = block === undefined ? 0 : Number(block) + (name.includes('upsamplers') ? 1 : 0);
    // The last convolution is of the picture's size.
    const scale = name.startsWith('decoder.conv_out') ? 3 : Math.min(level, 3);
    const positions = (side * 2 ** scale) ** 2;
    sum += 2 * count(shape) * positions;
    if (name.endsWith('.to_q.weight')) sum += 4 * positions * positions * shape[0];
  }
  return sum;
}
/** The same for a text encoder and one text. */
export function encoderOperations(plan) {
  let sum = 0;
  for (const { name, shape } of plan) {
    if (!name.endsWith('.weight') || shape.length < 2 || name.includes('embedding')) continue;
    sum += 2 * count(shape) * textLength;
    if (name.endsWith('.q_proj.weight')) sum += 4 * textLength ** 2 * shape[0];
  }
  return sum;
}
//# sourceMappingURL=shapes.js.map
