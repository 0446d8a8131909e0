import { RuntimeError } from '../errors.ts';
import type { Pixels } from '../messages.ts';
import type { Graph } from '../onnx/graph.ts';
import { toPixels } from '../previews/pixels.ts';
import type { LatentShape, Part } from '../run.ts';
import type { Noise } from '../tensors/noise.ts';
import { floats } from '../tensors/tensor.ts';

/** Scaling of `vae/config.json` between the autoencoder's latents and the denoised ones. */
export interface LatentScaling {
  /** `scaling_factor`. */
  factor: number;
  /** `shift_factor`; 0 for Stable Diffusion. */
  shift: number;
  /** `latents_mean` and `latents_std`, one for each channel, of the few models that have them. */
  mean?: readonly number[] | undefined;
  std?: readonly number[] | undefined;
}

/** The scaling of an autoencoder; missing values are the model's. */
export function scalingOf(
  config: Record<string, unknown>,
  model: { scalingFactor: number; shiftFactor: number },
): LatentScaling {
  const numbers = (value: unknown) =>
    Array.isArray(value) && value.every((item) => typeof item === 'number') ? value : undefined;
  return {
    factor: typeof config.scaling_factor === 'number' ? config.scaling_factor : model.scalingFactor,
    shift: typeof config.shift_factor === 'number' ? config.shift_factor : model.shiftFactor,
    mean: numbers(config.latents_mean),
    std: numbers(config.latents_std),
  };
}

export interface EncodeOptions {
  encoder: Graph;
  pixels: Pixels;
  shape: LatentShape;
  /** Absent: unscaled latents, as editing models were trained. */
  scaling?: LatentScaling | undefined;
  /** Samples with the run's noise, so that a seed gives one picture; absent: the mean. */
  noise?: Noise | undefined;
  /** One byte per pixel; from 128 on the pixel is replaced by grey. */
  hidden?: Uint8Array | undefined;
}

/**
 * Encodes a picture to latents [channels, height, width].
 *
 * An encoder exported with sampling (`latent_sample`) samples itself, differently each time.
 */
export async function* encodeImage(options: EncodeOptions): Part<Float32Array> {
  const { encoder, pixels, shape, scaling, noise, hidden } = options;
  const { width, height, data } = pixels;
  const area = width * height;
  // [0, 255] interleaved → [-1, 1] planar: [1, 3, height, width]
  const sample = new Float32Array(3 * area);
  for (let at = 0, byte = 0; at < area; at++) {
    const grey = hidden !== undefined && hidden[at]! >= 128;
    for (let color = 0; color < 3; color++, byte++) sample[color * area + at] = grey ? 0 : (data[byte]! / 255) * 2 - 1;
  }
  const input = encoder.inputs[0]?.name ?? 'sample';
  const output = ['latent_parameters', 'latent_sample'].find((name) => encoder.gives(name)) ?? encoder.outputs[0]!.name;
  const rows = [{ [input]: floats(sample, [1, 3, height, width]) }];
  const [answer] = yield { type: 'call', graph: encoder, rows, outputs: [output], positions: area };
  const values = answer![output]!.data;
  const count = shape.channels * shape.height * shape.width;
  let latents: Float32Array;
  if (values.length === 2 * count) {
    latents = noise ? noise.normal(count) : new Float32Array(count);
    for (let at = 0; at < count; at++) {
      // z = μ + exp(½ · log σ²) · ε, log σ² within [-30, 20] as in diffusers' DiagonalGaussianDistribution
      const deviation = Math.exp(0.5 * Math.min(20, Math.max(-30, values[count + at]!)));
      latents[at] = values[at]! + deviation * latents[at]!;
    }
  } else if (values.length === count) {
    latents = values;
  } else {
    throw new RuntimeError('modelUnavailable', 'The latents of the VAE encoder have the wrong size for the denoiser.');
  }
  if (!scaling) return latents;
  const plane = shape.height * shape.width;
  for (let at = 0; at < count; at++) {
    const channel = Math.floor(at / plane);
    const mean = scaling.mean?.[channel] ?? 0;
    const std = scaling.std?.[channel] ?? 1;
    latents[at] = ((latents[at]! - mean - scaling.shift) * scaling.factor) / std;
  }
  return latents;
}

/** Decodes scaled latents [channels, height, width] to the picture. */
export async function* decodeLatents(
  decoder: Graph,
  latents: Float32Array,
  shape: LatentShape,
  scaling: LatentScaling,
  /** Pixels per latent position on each side; a decoder's memory depends on the size of its picture. */
  scale: number,
): Part<Pixels> {
  const plane = shape.height * shape.width;
  const sample = latents.map((value, at) => {
    const channel = Math.floor(at / plane);
    return (value * (scaling.std?.[channel] ?? 1)) / scaling.factor + (scaling.mean?.[channel] ?? 0) + scaling.shift;
  });
  const input = decoder.inputs[0]?.name ?? 'latent_sample';
  const output = decoder.outputs[0]?.name ?? 'sample';
  const rows = [{ [input]: floats(sample, [1, shape.channels, shape.height, shape.width]) }];
  const [answer] = yield { type: 'call', graph: decoder, rows, outputs: [output], positions: plane * scale ** 2 };
  const image = answer![output]!;
  return toPixels(image.data, image.dims[3]!, image.dims[2]!);
}
