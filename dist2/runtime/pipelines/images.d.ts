import type { Pixels } from '../messages.ts';
import type { Graph } from '../onnx/graph.ts';
import type { LatentShape, Part } from '../run.ts';
import type { Noise } from '../tensors/noise.ts';
/** Numbers of `vae/config.json` that lie between the decoder's latents and the ones being denoised. */
export interface LatentScaling {
  /** `scaling_factor`. */
  factor: number;
  /** `shift_factor`; 0 for Stable Diffusion. */
  shift: number;
  /** `latents_mean` and `latents_std`, one for each channel, of the few models that have them. */
  mean?: readonly number[] | undefined;
  std?: readonly number[] | undefined;
}
/** The scaling of an autoencoder's config; what the config does not say is the model's. */
export declare function scalingOf(
  config: Record<string, unknown>,
  model: {
    scalingFactor: number;
    shiftFactor: number;
  },
): LatentScaling;
export interface EncodeOptions {
  encoder: Graph;
  pixels: Pixels;
  shape: LatentShape;
  /** Absent: the encoder's latents as they are, which is what models that edit pictures were trained on. */
  scaling?: LatentScaling | undefined;
  /** A sample is drawn from the run's own noise, so that a seed gives one picture; absent: the mean. */
  noise?: Noise | undefined;
  /** A byte for each pixel; from 128 on the pixel is hidden behind grey. */
  hidden?: Uint8Array | undefined;
}
/**
 * A picture to latents [channels, height, width].
 *
 * An encoder exported with the sampling inside (`latent_sample`) draws by itself, and differently each time.
 */
export declare function encodeImage(options: EncodeOptions): Part<Float32Array>;
/** Scaled latents [channels, height, width] to the picture. */
export declare function decodeLatents(
  decoder: Graph,
  latents: Float32Array,
  shape: LatentShape,
  scaling: LatentScaling,
  /** Pixels on each side of one position of the latents; what a decoder holds is as large as its picture. */
  scale: number,
): Part<Pixels>;
