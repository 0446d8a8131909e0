import { RuntimeError } from '../errors.js';
import { linearPreview } from './linear.js';
import { tinyPreview } from './tiny.js';
/** Every way to look at denoised latents before the end, by the name that `previews.decoder` asks for. */
export const previewDecoders = {
  // biome-ignore lint/correctness/useYield: it asks no network
  async *linear(denoised, width, height, source) {
    return linearPreview(denoised, width, height, source.latentRgb);
  },
  tiny: tinyPreview,
};
/** @throws RuntimeError `unsupportedParameter` for a name that is not registered. */
export function findPreviewDecoder(name = 'linear') {
  const decoders = previewDecoders;
  const decoder = Object.hasOwn(decoders, name) ? decoders[name] : undefined;
  if (decoder) return decoder;
  const known = Object.keys(decoders).join(', ');
  throw new RuntimeError('unsupportedParameter', `Unknown preview decoder; there is: ${known}.`, {
    parameter: 'previews.decoder',
  });
}
//# sourceMappingURL=index.js.map
