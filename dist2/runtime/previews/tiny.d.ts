import type { Pixels } from '../messages.ts';
import type { Part } from '../run.ts';
import type { PreviewSource } from './index.ts';
/**
 * A preview of full size by a tiny autoencoder that was distilled from the model's own (AutoencoderTiny; the published ones
 * are called TAESD). It sees the scaled latents as they are.
 *
 * @param denoised [channels, height, width], scaled latents.
 * @throws RuntimeError `unsupportedParameter` where the request names no decoder
 */
export declare function tinyPreview(
  denoised: Float32Array,
  width: number,
  height: number,
  { tiny }: PreviewSource,
): Part<Pixels>;
