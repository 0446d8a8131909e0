import { combine, inputUnscaled, levelOfAlphaBar, noiseAdder, readDenoised } from './level.js';
import { alphaBars, roundHalfEven, spaceTimesteps } from './noiseSchedule.js';
/** Denoising diffusion probabilistic models: ancestral sampling (Ho et al. 2020, arXiv 2006.11239, algorithm 2). */
export function ddpm(config, steps) {
  const timesteps = spaceTimesteps(config, steps, { spacing: 'leading' }).map(roundHalfEven);
  const bars = alphaBars(config);
  const denoise = readDenoised(config, config.clip_sample ?? true);
  const levels = timesteps.map((timestep) => levelOfAlphaBar(bars[timestep]));
  const variance = varianceOf(config);
  return {
    timesteps,
    callsPerStep: 1,
    initNoiseSigma: 1,
    scaleModelInput: inputUnscaled,
    addNoise: noiseAdder(levels),
    step(prediction, call, latents, noise) {
      const timestep = timesteps[call];
      const bar = bars[timestep];
      const nextBar = call + 1 < steps ? bars[timesteps[call + 1]] : 1;
      // The α and β of a step that leaps over several training timesteps.
      const alpha = bar / nextBar;
      const beta = 1 - alpha;
      const denoised = denoise(prediction, latents, levels[call]);
      // μ = √ᾱₛ β / (1 − ᾱₜ) x₀ + √α (1 − ᾱₛ) / (1 − ᾱₜ) xₜ (eq. 7)
      const mean = [
        [(Math.sqrt(nextBar) * beta) / (1 - bar), denoised],
        [(Math.sqrt(alpha) * (1 - nextBar)) / (1 - bar), latents],
      ];
      if (timestep === 0) return { latents: combine(...mean), denoised };
      const deviation = Math.sqrt(variance(beta, bar, nextBar));
      return { latents: combine(...mean, [deviation, noise(latents.length)]), denoised };
    },
  };
}
function varianceOf(config) {
  const type = config.variance_type ?? 'fixed_small';
  switch (type) {
    // β̃ = (1 − ᾱₛ) / (1 − ᾱₜ) β (eq. 7)
    case 'fixed_small':
      return (beta, bar, nextBar) => ((1 - nextBar) / (1 - bar)) * beta;
    case 'fixed_large':
      return (beta) => beta;
    default:
      throw new Error(`The scheduler config asks for variance_type "${type}"; known are fixed_small, fixed_large.`);
  }
}
//# sourceMappingURL=ddpm.js.map
