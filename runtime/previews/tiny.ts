import { RuntimeError } from '../errors.ts';
import type { Pixels } from '../messages.ts';
import type { Part } from '../run.ts';
import { floats } from '../tensors/tensor.ts';
import type { PreviewSource } from './index.ts';
import { toPixels } from './pixels.ts';

/** Pixels of one position of the latents, about. */
const PIXELS = 64;

/**
 * A preview of full size by a tiny autoencoder that was distilled from the model's own (AutoencoderTiny; the published ones
 * are called TAESD). It sees the scaled latents as they are.
 *
 * @param denoised [channels, height, width], scaled latents.
 * @throws RuntimeError `unsupportedParameter` where the request names no decoder
 */
export async function* tinyPreview(
  denoised: Float32Array,
  width: number,
  height: number,
  { tiny }: PreviewSource,
): Part<Pixels> {
  if (!tiny) {
    throw new RuntimeError('unsupportedParameter', 'The request has no tiny decoder.', {
      parameter: 'previews.decoder',
    });
  }
  const graph = await tiny();
  const channels = denoised.length / (width * height);
  const rows = [{ latent_sample: floats(denoised, [1, channels, height, width]) }];
  const [answer] = yield { type: 'call', graph, rows, outputs: ['sample'], positions: width * height * PIXELS };
  const { data, dims } = answer!.sample!;
  return toPixels(data, dims[3]!, dims[2]!);
}
