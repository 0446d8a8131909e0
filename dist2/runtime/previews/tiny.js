import { RuntimeError } from '../errors.js';
import { floats } from '../tensors/tensor.js';
import { toPixels } from './pixels.js';

/** Pixels of one position of the latents, about. */
const PIXELS = 64;
/**
 * A preview of full size by a tiny autoencoder that was distilled from the model's own (AutoencoderTiny; the published ones
 * are called TAESD). It sees the scaled latents as they are.
 *
 * @param denoised [channels, height, width], scaled latents.
 * @throws RuntimeError `unsupportedParameter` where the request names no decoder
 */
export async function* tinyPreview(denoised, width, height, { tiny }) {
  if (!tiny) {
    throw new RuntimeError('unsupportedParameter', 'No tiny decoder was given with the request.', {
      parameter: 'previews.decoder',
    });
  }
  const graph = await tiny();
  const channels = denoised.length / (width * height);
  const rows = [{ latent_sample: floats(denoised, [1, channels, height, width]) }];
  const [answer] = yield { type: 'call', graph, rows, outputs: ['sample'], positions: width * height * PIXELS };
  const { data, dims } = answer.sample;
  return toPixels(data, dims[3], dims[2]);
}
//# sourceMappingURL=tiny.js.map
