import type { Pixels } from '../messages.ts';
/** A linear map from one latent pixel to RGB in [-1, 1]. */
export interface LatentRgb {
  /** One row of red, green, blue for each latent channel; acts on scaled latents, as the denoiser sees them. */
  factors: readonly (readonly number[])[];
  /** Added to each; default black is -1, so 0 is middle grey. */
  bias?: readonly number[] | undefined;
}
/**
 * A preview of one pixel for each latent pixel, about 0.1 ms for 64×64 (measured); the client enlarges it.
 *
 * @param denoised [channels, height, width], scaled latents.
 */
export declare function linearPreview(denoised: Float32Array, width: number, height: number, rgb: LatentRgb): Pixels;
