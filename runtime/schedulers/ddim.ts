import { combine, inputUnscaled, levelOfAlphaCumprod, noiseAdder, readDenoised, readNoise } from './level.ts';
import { alphasCumprodOf, roundHalfEven, spaceTimesteps } from './noiseSchedule.ts';
import type { Scheduler, SchedulerConfig } from './scheduler.ts';

/** Denoising diffusion implicit models without randomness, η = 0 (Song et al. 2020, arXiv 2010.02502). */
export function ddim(config: SchedulerConfig, steps: number): Scheduler {
  const timesteps = spaceTimesteps(config, steps, { spacing: 'leading' }).map(roundHalfEven);
  const alphasCumprod = alphasCumprodOf(config);
  const levels = timesteps.map((timestep) => levelOfAlphaCumprod(alphasCumprod[timestep]!));
  const last = levelOfAlphaCumprod((config.set_alpha_to_one ?? true) ? 1 : alphasCumprod[0]!);
  const denoise = readDenoised(config, config.clip_sample ?? true);
  const readEpsilon = readNoise(config);

  return {
    timesteps,
    callsPerStep: 1,
    initNoiseSigma: 1,
    scaleModelInput: inputUnscaled,
    addNoise: noiseAdder(levels),
    step(prediction, call, latents) {
      const level = levels[call]!;
      const next = levels[call + 1] ?? last;
      const denoised = denoise(prediction, latents, level);
      const epsilon = readEpsilon(prediction, latents, level);
      // xₛ = √ᾱₛ x₀ + √(1 − ᾱₛ) ε (eq. 12 with σ = 0)
      return { latents: combine([next.alpha, denoised], [next.sigma, epsilon]), denoised };
    },
  };
}
