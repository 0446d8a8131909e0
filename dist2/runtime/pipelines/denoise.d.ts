import { type Control } from '../addons/controlNet.ts';
import { type Shallow } from '../addons/deepCache.ts';
import type { Guidance } from '../families/guidance.ts';
import type { Graph } from '../onnx/graph.ts';
import type { LatentShape, Part, Row } from '../run.ts';
import type { Scheduler } from '../schedulers/index.ts';
import type { Noise } from '../tensors/noise.ts';
import { type Blend } from './inpainting.ts';
export interface DenoiseOptions {
  denoiser: Graph;
  /** Inputs of the denoiser that do not change from step to step: LoRAs. */
  adapters?: Row | undefined;
  /** Stands in for the denoiser, which must give `deep_features`, in some calls. */
  shallow?: Shallow | undefined;
  scheduler: Scheduler;
  /** What the denoiser is told of the time; default: the scheduler's timestep. */
  toTime?: ((timestep: number) => number) | undefined;
  /** The call to begin with; later ones are image-to-image, or what a first model left. */
  first: number;
  /** The call to stop before; default: none is left. */
  end?: number | undefined;
  /** As noisy as the first call expects them. */
  latents: Float32Array;
  shape: LatentShape;
  /** The stream of this run; some schedulers draw from it at each step. */
  noise: Noise;
  guidance: Guidance;
  controls?: readonly Control[] | undefined;
  /** Inpainting with a model that was not made for it. */
  blend?: Blend | undefined;
  /** What steps are counted from, where another model took the earlier ones; default `first`. */
  countFrom?: number | undefined;
}
/** The loop that every run shares; returns the last latents, still scaled. */
export declare function denoise(options: DenoiseOptions): Part<Float32Array>;
