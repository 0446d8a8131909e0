import type { LatentShape } from '../run.ts';
import type { Scheduler } from '../schedulers/index.ts';

/** Keeps the latents outside a mask equal to those of a picture while the inside is denoised; works with any model. */
export interface Blend {
  /** Clean, scaled latents of the picture. */
  original: Float32Array;
  /** The noise added at the start; the same at every step, as in diffusers. */
  noise: Float32Array;
  /** One value per latent position: 1 changes, 0 keeps. */
  mask: Float32Array;
}

/** The output of a step with the outside replaced by the picture, at the noise level of the next call. */
export function keepOutside(
  { original, noise, mask }: Blend,
  scheduler: Scheduler,
  call: number,
  latents: Float32Array,
  denoised: Float32Array,
): { next: Float32Array; denoised: Float32Array } {
  const isLast = call === scheduler.timesteps.length - 1;
  const kept = isLast ? original : scheduler.addNoise(original, noise, call + 1);
  return { next: mix(latents, kept, mask), denoised: mix(denoised, original, mask) };
}

function mix(inside: Float32Array, outside: Float32Array, mask: Float32Array): Float32Array {
  return inside.map((value, at) => {
    const share = mask[at % mask.length]!;
    return share * value + (1 - share) * outside[at]!;
  });
}

/** The mask at the resolution of the latents: the mean of the pixels of each position, from bytes to [0, 1]. */
export function latentMask(mask: Uint8Array, width: number, shape: LatentShape): Float32Array {
  const scale = width / shape.width;
  const result = new Float32Array(shape.width * shape.height);
  for (let y = 0; y < shape.height * scale; y++) {
    const row = Math.floor(y / scale) * shape.width;
    for (let x = 0; x < width; x++) result[row + Math.floor(x / scale)]! += mask[y * width + x]!;
  }
  return result.map((sum) => sum / (255 * scale * scale));
}
