import { RuntimeError } from '../errors.js';
import { toPixels } from '../previews/pixels.js';
import { floats } from '../tensors/tensor.js';
/** The scaling of an autoencoder's config; what the config does not say is the model's. */
export function scalingOf(config, model) {
  const numbers = (value) =>
    Array.isArray(value) && value.every((item) => typeof item === 'number') ? value : undefined;
  return {
    factor: typeof config.scaling_factor === 'number' ? config.scaling_factor : model.scalingFactor,
    shift: typeof config.shift_factor === 'number' ? config.shift_factor : model.shiftFactor,
    mean: numbers(config.latents_mean),
    std: numbers(config.latents_std),
  };
}
/**
 * A picture to latents [channels, height, width].
 *
 * An encoder exported with the sampling inside (`latent_sample`) draws by itself, and differently each time.
 */
export async function* encodeImage(options) {
  const { encoder, pixels, shape, scaling, noise, hidden } = options;
  const { width, height, data } = pixels;
  const area = width * height;
  // [0, 255] interleaved → [-1, 1] planar: [1, 3, height, width]
  const sample = new Float32Array(3 * area);
  for (let at = 0, byte = 0; at < area; at++) {
    const grey = hidden !== undefined && hidden[at] >= 128;
    for (let color = 0; color < 3; color++, byte++) sample[color * area + at] = grey ? 0 : (data[byte] / 255) * 2 - 1;
  }
  const input = encoder.inputs[0]?.name ?? 'sample';
  const output = ['latent_parameters', 'latent_sample'].find((name) => encoder.gives(name)) ?? encoder.outputs[0].name;
  const rows = [{ [input]: floats(sample, [1, 3, height, width]) }];
  const [answer] = yield { type: 'call', graph: encoder, rows, outputs: [output], positions: area };
  const values = answer[output].data;
  const count = shape.channels * shape.height * shape.width;
  let latents;
  if (values.length === 2 * count) {
    latents = noise ? noise.normal(count) : new Float32Array(count);
    for (let at = 0; at < count; at++) {
      // z = μ + exp(½ · log σ²) · ε, log σ² within [-30, 20] as in diffusers' DiagonalGaussianDistribution
      const deviation = Math.exp(0.5 * Math.min(20, Math.max(-30, values[count + at])));
      latents[at] = values[at] + deviation * latents[at];
    }
  } else if (values.length === count) {
    latents = values;
  } else {
    throw new RuntimeError(
      'modelUnavailable',
      'The VAE encoder gives latents of a size that does not fit its denoiser.',
    );
  }
  if (!scaling) return latents;
  const plane = shape.height * shape.width;
  for (let at = 0; at < count; at++) {
    const channel = Math.floor(at / plane);
    const mean = scaling.mean?.[channel] ?? 0;
    const std = scaling.std?.[channel] ?? 1;
    latents[at] = ((latents[at] - mean - scaling.shift) * scaling.factor) / std;
  }
  return latents;
}
/** Scaled latents [channels, height, width] to the picture. */
export async function* decodeLatents(
  decoder,
  latents,
  shape,
  scaling,
  /** Pixels on each side of one position of the latents; what a decoder holds is as large as its picture. */
  scale,
) {
  const plane = shape.height * shape.width;
  const sample = latents.map((value, at) => {
    const channel = Math.floor(at / plane);
    return (value * (scaling.std?.[channel] ?? 1)) / scaling.factor + (scaling.mean?.[channel] ?? 0) + scaling.shift;
  });
  const input = decoder.inputs[0]?.name ?? 'latent_sample';
  const output = decoder.outputs[0]?.name ?? 'sample';
  const rows = [{ [input]: floats(sample, [1, shape.channels, shape.height, shape.width]) }];
  const [answer] = yield { type: 'call', graph: decoder, rows, outputs: [output], positions: plane * scale ** 2 };
  const image = answer[output];
  return toPixels(image.data, image.dims[3], image.dims[2]);
}
//# sourceMappingURL=images.js.map
