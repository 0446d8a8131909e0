import { combine, inputUnscaled, levelOfAlphaCumprod, noiseAdder, readDenoised } from './level.ts';
import { alphasCumprodOf, roundHalfEven, spaceTimesteps } from './noiseSchedule.ts';
import type { Scheduler, SchedulerConfig } from './scheduler.ts';

/** Denoising diffusion probabilistic models: ancestral sampling (Ho et al. 2020, arXiv 2006.11239, algorithm 2). */
export function ddpm(config: SchedulerConfig, steps: number): Scheduler {
  const timesteps = spaceTimesteps(config, steps, { spacing: 'leading' }).map(roundHalfEven);
  const alphasCumprod = alphasCumprodOf(config);
  const denoise = readDenoised(config, config.clip_sample ?? true);
  const levels = timesteps.map((timestep) => levelOfAlphaCumprod(alphasCumprod[timestep]!));
  const variance = varianceOf(config);

  return {
    timesteps,
    callsPerStep: 1,
    initNoiseSigma: 1,
    scaleModelInput: inputUnscaled,
    addNoise: noiseAdder(levels),
    step(prediction, call, latents, noise) {
      const timestep = timesteps[call]!;
      const alphaCumprod = alphasCumprod[timestep]!;
      const nextAlphaCumprod = call + 1 < steps ? alphasCumprod[timesteps[call + 1]!]! : 1;
      // The α and β of a step that leaps over several training timesteps.
      const alpha = alphaCumprod / nextAlphaCumprod;
      const beta = 1 - alpha;
      const denoised = denoise(prediction, latents, levels[call]!);
      // μ = √ᾱₛ β / (1 − ᾱₜ) x₀ + √α (1 − ᾱₛ) / (1 − ᾱₜ) xₜ (eq. 7)
      const mean = [
        [(Math.sqrt(nextAlphaCumprod) * beta) / (1 - alphaCumprod), denoised],
        [(Math.sqrt(alpha) * (1 - nextAlphaCumprod)) / (1 - alphaCumprod), latents],
      ] as const;
      if (timestep === 0) return { latents: combine(...mean), denoised };
      const deviation = Math.sqrt(variance(beta, alphaCumprod, nextAlphaCumprod));
      return { latents: combine(...mean, [deviation, noise(latents.length)]), denoised };
    },
  };
}

function varianceOf(config: SchedulerConfig): (beta: number, alphaCumprod: number, nextAlphaCumprod: number) => number {
  const type = config.variance_type ?? 'fixed_small';
  switch (type) {
    // β̃ = (1 − ᾱₛ) / (1 − ᾱₜ) β (eq. 7)
    case 'fixed_small':
      return (beta, alphaCumprod, nextAlphaCumprod) => ((1 - nextAlphaCumprod) / (1 - alphaCumprod)) * beta;
    case 'fixed_large':
      return (beta) => beta;
    default:
      throw new Error(`The scheduler config asks for variance_type "${type}"; known are fixed_small, fixed_large.`);
  }
}
