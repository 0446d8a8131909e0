import type { LatentShape } from '../run.ts';
import type { Scheduler } from '../schedulers/index.ts';
/** Keeps latents outside a mask to those of a picture while the inside is denoised, by any model. */
export interface Blend {
  /** Clean, scaled latents of the picture. */
  original: Float32Array;
  /** The noise that was added to them at the start; the same at every step, as in diffusers. */
  noise: Float32Array;
  /** 1 changes, 0 keeps; one for each latent position. */
  mask: Float32Array;
}
/** What a step made, with the outside of the mask put back to the picture, as noisy as the next call expects it. */
export declare function keepOutside(
  { original, noise, mask }: Blend,
  scheduler: Scheduler,
  call: number,
  latents: Float32Array,
  denoised: Float32Array,
): {
  next: Float32Array;
  denoised: Float32Array;
};
/** The mask at the size of latents: the mean over the pixels of each position, from bytes to [0, 1]. */
export declare function latentMask(mask: Uint8Array, width: number, shape: LatentShape): Float32Array;
/** The mask as inpainting models were shown it: one pixel of each position, changed or kept and nothing between. */
export declare function hardLatentMask(mask: Uint8Array, width: number, shape: LatentShape): Float32Array;
