import type { StoredTensors } from '../files/safetensors.ts';
import { type GraphForm, type Written } from './builder.ts';
/** `vae/config.json` as diffusers writes it. */
export interface AutoencoderKLConfig {
  _class_name?: string;
  norm_num_groups?: number;
  act_fn?: string;
  down_block_types?: string[];
  up_block_types?: string[];
  scaling_factor?: number;
  force_upcast?: boolean;
  batch_norm_eps?: number;
}
/**
 * The encoder: `sample` [batch, 3, height, width], RGB in [-1, 1], multiples of 8 → `latent_parameters`
 * [batch, 2 · latent channels, height / 8, width / 8], the mean and then the logarithm of the variance, unscaled.
 *
 * Where the weights have statistics of patches (`bn`, FLUX.2), latents come in patches of 2 × 2 and normalized, as the
 * denoiser takes them: multiples of 16 → [batch, 2 · 4 · latent channels, height / 16, width / 16].
 */
export declare function writeVaeEncoder(config: AutoencoderKLConfig, tensors: StoredTensors, form?: GraphForm): Written;
/**
 * The decoder: `latent_sample` [batch, latent channels, height, width], divided by the scaling factor → `sample`
 * [batch, 3, 8 · height, 8 · width], RGB, mostly within [-1, 1]. Latents in normalized patches where the encoder gives such.
 */
export declare function writeVaeDecoder(config: AutoencoderKLConfig, tensors: StoredTensors, form?: GraphForm): Written;
