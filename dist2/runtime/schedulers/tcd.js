import { combine, inputUnscaled, levelOfAlphaBar, noiseAdder, readDenoised, readNoise } from './level.js';
import { alphaBars, distilledTimesteps } from './noiseSchedule.js';

/** Stochasticity of every step, γ in the paper: 0 is none, 1 as much as LCM. */
const gamma = 0.3;
/** Trajectory consistency distillation: jump part of the way, add noise (Zheng et al. 2024, arXiv 2402.19159, alg. 3). */
export function tcd(config, steps) {
  const timesteps = distilledTimesteps(config, steps);
  const bars = alphaBars(config);
  const levels = timesteps.map((timestep) => levelOfAlphaBar(bars[timestep]));
  const denoise = readDenoised(config);
  const readEpsilon = readNoise(config);
  return {
    timesteps,
    callsPerStep: 1,
    initNoiseSigma: 1,
    scaleModelInput: inputUnscaled,
    addNoise: noiseAdder(levels),
    step(prediction, call, latents, noise) {
      const level = levels[call];
      const denoised = denoise(prediction, latents, level);
      const epsilon = readEpsilon(prediction, latents, level);
      const nextTimestep = timesteps[call + 1] ?? 0;
      // s = ⌊(1 − γ) t'⌋, below the next timestep t'; in float32 because a product may sit on the edge of ⌊⌋
      const bar = bars[Math.floor(Math.fround((1 - gamma) * nextTimestep))];
      // xₛ = √ᾱₛ x₀ + √(1 − ᾱₛ) ε
      const { alpha, sigma } = levelOfAlphaBar(bar);
      const jumped = combine([alpha, denoised], [sigma, epsilon]);
      if (call === timesteps.length - 1) return { latents: jumped, denoised };
      // x' = √(ᾱ' / ᾱₛ) xₛ + √(1 − ᾱ' / ᾱₛ) z
      const back = levelOfAlphaBar(bars[nextTimestep] / bar);
      return { latents: combine([back.alpha, jumped], [back.sigma, noise(latents.length)]), denoised };
    },
  };
}
//# sourceMappingURL=tcd.js.map
