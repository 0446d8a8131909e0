import { combine, inputScaler, levelOfSigma, noiseAdder, readDenoised } from './level.js';
import { initialSigma, kDiffusionSchedule } from './noiseSchedule.js';
/** Euler's method (Karras et al. 2022, arXiv 2206.00364, algorithm 2 without churn). */
export function euler(config, steps) {
  const { timesteps, sigmas } = kDiffusionSchedule(config, steps);
  const levels = sigmas.map(levelOfSigma);
  const denoise = readDenoised(config);
  return {
    timesteps,
    callsPerStep: 1,
    initNoiseSigma: initialSigma(config, sigmas),
    scaleModelInput: inputScaler(levels),
    addNoise: noiseAdder(levels),
    step(prediction, call, latents) {
      const denoised = denoise(prediction, latents, levels[call]);
      // d = (x − x₀) / σ and xₛ = x + (σₛ − σ) d, which is σₛ/σ x + (1 − σₛ/σ) x₀
      const ratio = sigmas[call + 1] / sigmas[call];
      return { latents: combine([ratio, latents], [1 - ratio, denoised]), denoised };
    },
  };
}
//# sourceMappingURL=euler.js.map
