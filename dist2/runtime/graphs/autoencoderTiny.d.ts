import type { StoredTensors } from '../files/safetensors.ts';
import { type GraphForm, type Written } from './builder.ts';
/** `config.json` of an AutoencoderTiny as diffusers writes it. */
export interface AutoencoderTinyConfig {
  act_fn?: string;
  upsample_fn?: string;
  upsampling_scaling_factor?: number;
  [other: string]: unknown;
}
/**
 * The tiny decoder (TAESD): `latent_sample` [batch, latent channels, height, width], as the UNet has them (scaled) →
 * `sample` [batch, 3, s · height, s · width], RGB, mostly within [-1, 1]. s doubles with each upsampling: 8 for the published ones.
 */
export declare function writeTinyDecoder(
  config: AutoencoderTinyConfig,
  tensors: StoredTensors,
  form?: GraphForm,
): Written;
/**
 * The tiny encoder: `sample` [batch, 3, height, width], RGB in [-1, 1] → `latent_sample` [batch, latent channels,
 * height / 8, width / 8], as the UNet takes them (scaled).
 */
export declare function writeTinyEncoder(
  config: AutoencoderTinyConfig,
  tensors: StoredTensors,
  form?: GraphForm,
): Written;
