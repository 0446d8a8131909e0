/** The networks whose speed is measured: their sizes, and the arithmetic of one call. A further family is an entry here. */
import type { Component } from '../../runtime/families/family.ts';
import { type Planned } from '../randomModel.ts';
export interface NetworkShape {
  component: Component;
  config: Record<string, unknown>;
  /** Names and sizes of the weights, made when they are needed. */
  plan: () => Planned[];
}
export interface ModelShape {
  /** What rows of the table call it. */
  title: string;
  unet: NetworkShape;
  decoder: NetworkShape;
  encoder: NetworkShape;
  /** Channels of the text states, and of the pooled text where the UNet takes one. */
  text: number;
  pooled?: number;
}
export declare const shapes: {
  sd15: {
    title: string;
    unet: {
      component: 'denoiser';
      config: {
        attention_head_dim: number;
        norm_num_groups: number;
        down_block_types: ('CrossAttnDownBlock2D' | 'DownBlock2D')[];
      };
      plan: () => Planned[];
    };
    decoder: NetworkShape;
    encoder: NetworkShape;
    text: number;
  };
  sdxl: {
    title: string;
    unet: {
      component: 'denoiser';
      config: {
        attention_head_dim: number[];
        norm_num_groups: number;
        down_block_types: ('CrossAttnDownBlock2D' | 'DownBlock2D')[];
        addition_embed_type: string;
        addition_time_embed_dim: number;
      };
      plan: () => Planned[];
    };
    decoder: NetworkShape;
    encoder: NetworkShape;
    text: number;
    pooled: number;
  };
};
export type ShapeName = keyof typeof shapes;
/** Numbers of two bytes. */
export declare function halfBytes(plan: readonly Planned[]): number;
/**
 * Floating-point operations of one row of a UNet: two for each weight and position, and the two products of attention.
 * Normalizations and activations are left out.
 *
 * @param side - latents on each side
 */
export declare function unetOperations(plan: readonly Planned[], side: number): number;
/** The same for a decoder of an autoencoder. @param side - latents on each side */
export declare function decoderOperations(plan: readonly Planned[], side: number): number;
/** The same for a text encoder and one text. */
export declare function encoderOperations(plan: readonly Planned[]): number;
