import type { StoredTensors } from '../files/safetensors.ts';
import { type GraphForm, type Written } from './builder.ts';
import { type TimestepForm, type UNet2DConditionConfig } from './unetBlocks.ts';
/** `config.json` of a ControlNet as diffusers writes it; what is absent has diffusers' default. */
export interface ControlNetConfig extends UNet2DConditionConfig {
  controlnet_conditioning_channel_order?: string;
  /** Each residual becomes its mean over the picture. Such networks want to be left out of the negative prompt. */
  global_pool_conditions?: boolean;
}
export interface ControlNetForm extends GraphForm, TimestepForm {}
/**
 * A ControlNet for Stable Diffusion 1.x, 2.x or XL: the way down of a UNet, which also looks at a guide image.
 *
 * Inputs: those of the UNet, `controlnet_cond` [batch, 3, 8 · height, 8 · width], RGB in [0, 1], and
 * `conditioning_scale` [batch, count], one factor for each residual, that of the middle last. Outputs, scaled:
 * `down_block_res_samples.<i>` and `mid_block_res_sample`, in the shapes of the UNet's own states.
 */
export declare function writeControlNet(
  config: ControlNetConfig,
  tensors: StoredTensors,
  form?: ControlNetForm,
): Written;
