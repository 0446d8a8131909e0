import type { Pixels } from '../messages.ts';

/** A linear map from one latent pixel to RGB in [-1, 1]. */
export interface LatentRgb {
  /** One row of red, green, blue for each latent channel; acts on scaled latents (as the UNet sees them). */
  factors: readonly (readonly number[])[];
  /** Added to each; default black is -1, so 0 is middle grey. */
  bias?: readonly number[] | undefined;
}

/**
 * The field's published fits, from `comfy/latent_formats.py` of ComfyUI (classes SD15 and SDXL); the idea is that of
 * https://discuss.huggingface.co/t/decoding-latents-to-rgb-without-upscaling/23204.
 */
export const latentRgbOfFamily = {
  sd: {
    factors: [
      [0.3512, 0.2297, 0.3227],
      [0.325, 0.4974, 0.235],
      [-0.2829, 0.1762, 0.2721],
      [-0.212, -0.2616, -0.7177],
    ],
  },
  sdxl: {
    factors: [
      [0.3651, 0.4232, 0.4341],
      [-0.2533, -0.0042, 0.1068],
      [0.1076, 0.1111, -0.0362],
      [-0.3165, -0.2492, -0.2188],
    ],
    bias: [0.1084, -0.0175, -0.0011],
  },
} satisfies Record<string, LatentRgb>;

/**
 * A preview of one pixel for each latent pixel, about 0.1 ms for 64×64 (measured); the client enlarges it.
 *
 * @param denoised [channels, height, width], scaled latents.
 */
export function linearPreview(denoised: Float32Array, width: number, height: number, rgb: LatentRgb): Pixels {
  const area = width * height;
  const channels = Math.min(rgb.factors.length, Math.floor(denoised.length / area));
  const data = new Uint8Array(area * 3);
  const sums = new Float32Array(area);
  for (let color = 0; color < 3; color++) {
    sums.fill(rgb.bias?.[color] ?? 0);
    for (let channel = 0; channel < channels; channel++) {
      const factor = rgb.factors[channel]?.[color] ?? 0;
      const start = channel * area;
      for (let at = 0; at < area; at++) sums[at]! += factor * denoised[start + at]!;
    }
    // [-1, 1] → [0, 255]
    for (let at = 0, byte = color; at < area; at++, byte += 3) {
      const value = (sums[at]! + 1) * 127.5 + 0.5;
      data[byte] = value < 0 ? 0 : value > 255 ? 255 : value;
    }
  }
  return { width, height, data };
}
