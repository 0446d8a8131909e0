import { combine, inputUnscaled, levelOfAlphaBar, noiseAdder, readDenoised, readNoise } from './level.js';
import { alphaBars, roundHalfEven, spaceTimesteps } from './noiseSchedule.js';
/** Denoising diffusion implicit models without randomness, η = 0 (Song et al. 2020, arXiv 2010.02502). */
export function ddim(config, steps) {
  const timesteps = spaceTimesteps(config, steps, { spacing: 'leading' }).map(roundHalfEven);
  const bars = alphaBars(config);
  const levels = timesteps.map((timestep) => levelOfAlphaBar(bars[timestep]));
  const last = levelOfAlphaBar((config.set_alpha_to_one ?? true) ? 1 : bars[0]);
  const denoise = readDenoised(config, config.clip_sample ?? true);
  const readEpsilon = readNoise(config);
  return {
    timesteps,
    callsPerStep: 1,
    initNoiseSigma: 1,
    scaleModelInput: inputUnscaled,
    addNoise: noiseAdder(levels),
    step(prediction, call, latents) {
      const level = levels[call];
      const next = levels[call + 1] ?? last;
      const denoised = denoise(prediction, latents, level);
      const epsilon = readEpsilon(prediction, latents, level);
      // xₛ = √ᾱₛ x₀ + √(1 − ᾱₛ) ε (eq. 12 with σ = 0)
      return { latents: combine([next.alpha, denoised], [next.sigma, epsilon]), denoised };
    },
  };
}
//# sourceMappingURL=ddim.js.map
