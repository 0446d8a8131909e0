import type { StoredTensors } from '../files/safetensors.ts';
import { type AdaptedForm, type Written } from './builder.ts';
/** `transformer/config.json` as diffusers writes it; what is absent has the values of the published models. */
export interface ZImageConfig {
  norm_eps?: number;
  t_scale?: number;
  rope_theta?: number;
  axes_dims?: number[];
  all_patch_size?: number[];
  all_f_patch_size?: number[];
  siglip_feat_dim?: number | null;
}
/** Both sequences are filled with learned tokens to a multiple of this; the model attends to those. */
export declare const Z_IMAGE_MULTIPLE = 32;
/**
 * The transformer of Z-Image (diffusers' ZImageTransformer2DModel), written for one caption length and one size in a call.
 *
 * Inputs: `sample` [batch, 16, height, width], even sizes; `timestep` float32 [batch], 1 - sigma; `encoder_hidden_states`
 * [batch, length, caption width], rows of real tokens only; `rotary_cos` and `rotary_sin` float32 [batch · positions, head / 2],
 * for the patches filled to a multiple of 32, and then the caption filled likewise.
 * Output: `out_sample` like `sample`; the pipeline negates it.
 */
export declare function writeZImageTransformer(
  config: ZImageConfig,
  tensors: StoredTensors,
  form?: AdaptedForm,
): Written;
