import type { StoredTensors } from '../files/safetensors.ts';
import { type AdaptedForm, type Written } from './builder.ts';
import { type TimestepForm, type UNet2DConditionConfig } from './unetBlocks.ts';

export type { UNet2DConditionConfig } from './unetBlocks.ts';
export interface UNetForm extends AdaptedForm, TimestepForm {
  /**
   * Takes what ControlNets add: `down_block_additional_residuals.<i>`, in the order in which the way down leaves its
   * states, and `mid_block_additional_residual`. They are broadcast, so a zero of shape [1, 1, 1, 1] adds nothing.
   */
  residuals?: boolean | undefined;
  /** Gives also `deep_features`, what the graph of `writeShallowUNet` goes on from. */
  deep?: boolean | undefined;
}
/**
 * The UNet of Stable Diffusion 1.x, 2.x and XL.
 *
 * Inputs: `sample` [batch, channels, height, width]; `timestep` [batch]; `encoder_hidden_states` [batch, length, width];
 * for XL also `text_embeds` [batch, width] and `time_ids` [batch, 6]; for models distilled with a guidance embedding also
 * `timestep_cond` [batch, width]. Output: `out_sample` [batch, channels, height, width].
 *
 * The weights say how many layers a block has and which of them attend, so pruned networks need no config of their own.
 */
export declare function writeUNet2DCondition(
  config: UNet2DConditionConfig,
  tensors: StoredTensors,
  form?: UNetForm,
): Written;
/**
 * The UNet without its deep part: the first convolution, the last layer of the way up, and the output (branch 0 of
 * DeepCache: Ma, Fang, Wang 2023, arXiv 2312.00858). For the features of the same call it gives what the whole UNet gives.
 *
 * One layer and not more: at half the width of Stable Diffusion 1.5 it costs a ninth of the whole network (at its full width
 * a twelfth), two layers cost a third and three more than half. Pictures of the embedded model were better for the same
 * time with more whole steps than with more layers in between (bench/deepCache.ts).
 *
 * @param tensors - all of a UNet's, or what `shallowTensors` leaves of them
 * @param form - inputs are those of the whole UNet in this form, used or not, and `deep_features`; of residuals only the
 *   first, which is added to what the first convolution gives
 */
export declare function writeShallowUNet(
  config: UNet2DConditionConfig,
  tensors: StoredTensors,
  form?: UNetForm,
): Written;
/** The weights that a shallow graph has, of all of a UNet's. */
export declare function shallowTensors(tensors: StoredTensors): StoredTensors;
