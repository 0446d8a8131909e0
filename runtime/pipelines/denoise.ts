import type { Noise } from '../noise.ts';
import type { Graph } from '../onnx/graph.ts';
import type { Scheduler } from '../schedulers/index.ts';
import type { Ask, Branch, LatentShape } from './run.ts';

export interface DenoiseOptions {
  unet: Graph;
  scheduler: Scheduler;
  /** The call to begin with; later ones are image-to-image. */
  first: number;
  /** As noisy as the first call expects them. */
  latents: Float32Array;
  shape: LatentShape;
  /** The stream of this run; some schedulers draw from it at each step. */
  noise: Noise;
  guidanceScale: number;
  /** The branch of the prompt. */
  positive: Branch;
  /** The branch that guidance leads away from; absent: no guidance. */
  negative?: Branch | undefined;
}

/** Steps that are told when the scheduler begins at call `first`. */
export function countSteps(scheduler: Scheduler, first: number): number {
  return Math.ceil((scheduler.timesteps.length - first) / scheduler.callsPerStep);
}

/** The loop that every pipeline shares; returns the last latents, still scaled. */
export async function* denoise(options: DenoiseOptions): AsyncGenerator<Ask, Float32Array, Float32Array[]> {
  const { unet, scheduler, first, shape, noise, guidanceScale, positive, negative } = options;
  const { timesteps, callsPerStep } = scheduler;
  const steps = countSteps(scheduler, first);
  const branches = negative ? [negative, positive] : [positive];
  const draw = (count: number) => noise.normal(count);
  let { latents } = options;
  for (let call = first; call < timesteps.length; call++) {
    const predictions = yield {
      type: 'predict',
      graph: unet,
      latents: scheduler.scaleModelInput(latents, call),
      shape,
      timestep: timesteps[call]!,
      branches,
    };
    const prediction = negative ? guide(predictions[0]!, predictions[1]!, guidanceScale) : predictions[0]!;
    const next = scheduler.step(prediction, call, latents, draw);
    latents = next.latents;
    const done = call - first + 1;
    const whole = done % callsPerStep === 0 || call === timesteps.length - 1;
    if (!whole) continue;
    yield { type: 'stepped', step: Math.ceil(done / callsPerStep) - 1, steps, denoised: next.denoised, shape };
  }
  return latents;
}

/** ε = ε(∅) + s · (ε(c) − ε(∅)), classifier-free guidance (Ho and Salimans, 2022), in the first array. */
function guide(unconditional: Float32Array, conditional: Float32Array, scale: number): Float32Array {
  for (let at = 0; at < unconditional.length; at++) {
    unconditional[at] = unconditional[at]! + scale * (conditional[at]! - unconditional[at]!);
  }
  return unconditional;
}
