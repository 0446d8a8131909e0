import { combine, inputUnscaled, levelOfAlphaCumprod, noiseAdder, readDenoised } from './level.ts';
import { alphasCumprodOf, distilledTimesteps } from './noiseSchedule.ts';
import type { Scheduler, SchedulerConfig } from './scheduler.ts';

/** Latent consistency models: jump to the picture, add noise, jump again (Luo et al. 2023, arXiv 2310.04378). */
export function lcm(config: SchedulerConfig, steps: number): Scheduler {
  const timesteps = distilledTimesteps(config, steps);
  const alphasCumprod = alphasCumprodOf(config);
  const levels = timesteps.map((timestep) => levelOfAlphaCumprod(alphasCumprod[timestep]!));
  const scaling = config.timestep_scaling ?? 10;
  const denoise = readDenoised(config);

  return {
    timesteps,
    callsPerStep: 1,
    initNoiseSigma: 1,
    scaleModelInput: inputUnscaled,
    addNoise: noiseAdder(levels),
    step(prediction, call, latents, noise) {
      // c_skip = σ² / (t² + σ²) and c_out = t / √(t² + σ²), t scaled, σ = ½ (Song et al. 2023, arXiv 2303.01469, app. C)
      const scaled = timesteps[call]! * scaling;
      const skip = 0.25 / (scaled ** 2 + 0.25);
      const out = scaled / Math.sqrt(scaled ** 2 + 0.25);
      const denoised = combine([out, denoise(prediction, latents, levels[call]!)], [skip, latents]);
      const next = levels[call + 1];
      if (!next) return { latents: denoised, denoised };
      return { latents: combine([next.alpha, denoised], [next.sigma, noise(latents.length)]), denoised };
    },
  };
}
