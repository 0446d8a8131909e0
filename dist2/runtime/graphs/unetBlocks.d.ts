import type { StoredTensors } from '../files/safetensors.ts';
import { type GraphBuilder, type Value } from './builder.ts';
/** `unet/config.json` as diffusers writes it; what is absent has diffusers' default. */
export interface UNet2DConditionConfig {
  _class_name?: string;
  center_input_sample?: boolean;
  flip_sin_to_cos?: boolean;
  freq_shift?: number;
  down_block_types?: string[];
  mid_block_type?: string | null;
  up_block_types?: string[];
  block_out_channels?: number[];
  norm_num_groups?: number | null;
  norm_eps?: number;
  /** Means the number of heads, unless `num_attention_heads` is given: a naming mistake that every config repeats. */
  attention_head_dim?: number | number[];
  num_attention_heads?: number | number[] | null;
  addition_embed_type?: string | null;
  addition_time_embed_dim?: number | null;
  time_cond_proj_dim?: number | null;
  [other: string]: unknown;
}
export interface TimestepForm {
  /** Dtype of the input `timestep`; default float32. */
  timestep?: 'float32' | 'int64' | undefined;
  /** Rank of the input `timestep`: 1 (default) is one timestep for each sample, 0 is one for all. */
  timestepRank?: 0 | 1 | undefined;
}
/** What a block needs of its surroundings. */
export interface Context {
  graph: GraphBuilder;
  groups: number;
  epsilon: number;
  /** silu of the time embedding, [batch, 4 · first channels]. */
  time: Value;
  /** [batch, length, cross attention channels] */
  text: Value;
  /** Attention in float32; see `float32Parts.upcastAttention`. */
  upcast: boolean;
}
/**
 * @param name - what errors call the network
 * @throws {GraphError} naming the setting and the values that are supported
 */
export declare function checkUNet(config: UNet2DConditionConfig, name?: string): void;
/** The inputs that UNets and ControlNets share, the sample made ready for the first convolution, and the heads of attention of each block on the way down. */
export declare function startUNet(
  graph: GraphBuilder,
  config: UNet2DConditionConfig,
  tensors: StoredTensors,
  form: TimestepForm,
): {
  context: Context;
  sample: Value;
  heads: number[];
};
/** From the first convolution to the smallest size; `skips` are its states, that of the first convolution included. */
export declare function downBlocks(
  context: Context,
  first: Value,
  heads: readonly number[],
): {
  last: Value;
  skips: Value[];
};
export declare function middle(context: Context, x: Value, heads: number): Value;
/** A layer of the way up: a resnet, and where the weights have them a transformer and the upsampler that ends a block. */
export interface LayerUp {
  block: number;
  index: number;
}
/** All layers of the way up, in order. */
export declare function layersUp(graph: GraphBuilder, blocks: number): LayerUp[];
/** Part of the way up; takes its `skips` from the end of those of the way down. */
export declare function wayUp(
  context: Context,
  from: Value,
  layers: readonly LayerUp[],
  skips: Value[],
  heads: readonly number[],
): Value;
export declare function resnet({ graph, groups, epsilon, time }: Context, x: Value, path: string): Value;
/** Attention of every position to the others and to the text, over [batch, channels, height, width]. */
export declare function transformer(
  { graph, groups, text, upcast }: Context,
  x: Value,
  path: string,
  heads: number,
): Value;
