import { RuntimeError } from '../errors.ts';
import type { Pixels } from '../messages.ts';
import { floats } from '../onnx/graph.ts';
import { toPixels } from '../pipelines/images.ts';
import type { PreviewSource } from './index.ts';

/**
 * A preview of full size by a tiny autoencoder that was distilled from the model's own (AutoencoderTiny; the published ones
 * are called TAESD). It sees the scaled latents as they are.
 *
 * @param denoised [channels, height, width], scaled latents.
 * @throws RuntimeError `unsupportedParameter` where the request names no decoder
 */
export async function tinyPreview(
  denoised: Float32Array,
  width: number,
  height: number,
  { tiny }: PreviewSource,
): Promise<Pixels> {
  if (!tiny) {
    throw new RuntimeError('unsupportedParameter', 'No tiny decoder was given with the request.', {
      parameter: 'previews.decoder',
    });
  }
  const graph = await tiny();
  const channels = denoised.length / (width * height);
  const { sample } = await graph.run({ latent_sample: floats(denoised, [1, channels, height, width]) }, ['sample']);
  return toPixels(sample!.data as Float32Array, sample!.dims[3]!, sample!.dims[2]!);
}
