import type { StoredTensors } from '../files/safetensors.ts';
import type { SeparatePart } from './family.ts';
import { t5Tensors } from './t5Keys.ts';

/**
 * An autoencoder in the original names or in those of diffusers, with so many channels of latents. That of Stable Diffusion 3
 * has the shapes of FLUX.1's, so a file with "sd3" in its name is the last that others take.
 */
export function autoencoderPart(channels: number): SeparatePart {
  return {
    part: 'vae',
    prefix: 'vae.',
    otherPrefixes: ['first_stage_model.'],
    title: 'the autoencoder (VAE)',
    example: 'ae.safetensors',
    prefers: /^(?!.*sd[-_. ]?3)/i,
    recognises: (tensors) => tensors.get('decoder.conv_in.weight')?.shape[1] === channels,
  };
}

/** The autoencoder of Stable Diffusion 3, which its files hold under another prefix. */
export const sd3AutoencoderPart: SeparatePart = {
  ...autoencoderPart(16),
  prefix: 'first_stage_model.',
  otherPrefixes: ['vae.'],
  example: 'sd3.5_vae.safetensors',
  prefers: /sd[-_. ]?3/i,
};

/** A Qwen3 text encoder, in the names of transformers. */
export const qwen3Part: SeparatePart = {
  part: 'text_encoder',
  prefix: 'text_encoders.qwen3_4b.transformer.',
  otherPrefixes: ['text_encoders.qwen3_8b.transformer.', 'text_encoders.qwen3.transformer.'],
  title: 'the text encoder Qwen3',
  example: 'qwen_3_4b.safetensors',
  recognises: (tensors) => tensors.has('model.layers.0.self_attn.q_norm.weight'),
};

/** CLIP-L, as Stable Diffusion 1 has it; its number of layers tells it from CLIP-G, or the name of the file does. */
export const clipLPart: SeparatePart = {
  part: 'text_encoder',
  prefix: 'text_encoders.clip_l.transformer.',
  title: 'the text encoder CLIP-L',
  example: 'clip_l.safetensors',
  recognises: (tensors, fileName) => isClip(tensors) && !isWide(tensors, fileName),
};

export const clipGPart: SeparatePart = {
  part: 'text_encoder_2',
  prefix: 'text_encoders.clip_g.transformer.',
  title: 'the text encoder CLIP-G',
  example: 'clip_g.safetensors',
  recognises: (tensors, fileName) => isClip(tensors) && isWide(tensors, fileName),
};

/** T5 XXL's encoder. */
export function t5PartOf(part: SeparatePart['part']): SeparatePart {
  return {
    part,
    prefix: 'text_encoders.t5xxl.transformer.',
    title: 'the text encoder T5 XXL',
    example: 't5xxl_fp16.safetensors or t5xxl_fp8_e4m3fn.safetensors',
    recognises: (tensors) =>
      tensors.has('encoder.block.0.layer.1.DenseReluDense.wi_0.weight') || tensors.has('enc.blk.0.attn_rel_b.weight'),
    rename: t5Tensors,
  };
}

function isClip(tensors: StoredTensors): boolean {
  return tensors.has('text_model.embeddings.position_embedding.weight');
}

/** The published CLIP-G has more layers than the 12 of CLIP-L. */
function isWide(tensors: StoredTensors, fileName = ''): boolean {
  return tensors.has('text_model.encoder.layers.12.layer_norm1.weight') || /clip[-_. ]?g|big[-_. ]?g/i.test(fileName);
}
