export type RandomDtype = 'F32' | 'F16' | 'BF16';
export type RandomPart = 'unet' | 'vae' | 'text_encoder';
export interface RandomModel {
  /** Default F32. */
  dtype?: RandomDtype | undefined;
  /** Channels of the UNet's first block, a multiple of 40; default 320, as Stable Diffusion 1.5. The rest in proportion. */
  width?: number | undefined;
  /** Default all three. */
  parts?: readonly RandomPart[] | undefined;
}
/** Name, shape and spread of one tensor. */
export interface Planned {
  name: string;
  shape: readonly number[];
  /** `one` for scales of normalizations; otherwise the standard deviation. */
  spread: number | 'one';
}
/** Writes a folder in the diffusers layout, 4.3 GB for the default shape in F32. Returns the bytes of all weights. */
export declare function writeRandomModel(folder: string, model?: RandomModel): Promise<number>;
export declare const vocabularySize = 49408;
export interface UNetShape {
  /** Of each block on the way down. */
  channels: readonly number[];
  /** Transformer layers of each block on the way down, 0 for none; the middle has those of the last block, at least one. */
  depths: readonly number[];
  /** Channels of the text states. */
  text: number;
  /** Of the pooled text and the sizes of the picture together, for XL. */
  added?: number | undefined;
}
export declare function planUNet({ channels, depths, text, added }: UNetShape): Planned[];
export declare function planVae({ width }: { width: number }): Planned[];
export declare function planClip({ hidden, layers }: { hidden: number; layers: number }): Planned[];
/** Uniform numbers of mean 0 and deviation 1. A prime length keeps rows of one matrix from repeating each other. */
export declare const pool: Float32Array<ArrayBuffer>;
export declare function count(shape: readonly number[]): number;
