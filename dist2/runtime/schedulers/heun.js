import { combine, inputScaler, levelOfSigma, noiseAdder, readDenoised } from './level.js';
import { initialSigma, kDiffusionSchedule } from './noiseSchedule.js';
/**
 * Heun's method (Karras et al. 2022, arXiv 2206.00364, algorithm 1): an Euler step, then the same step again with the
 * mean of the slopes at both ends. The last step is Euler's alone, because there is no slope at σ = 0.
 */
export function heun(config, steps) {
  const schedule = kDiffusionSchedule(config, steps);
  // Calls 2i − 1 and 2i both look at sigma i: the end of one step and the start of the next.
  const twice = (values) => values.flatMap((value, i) => (i === 0 ? [value] : [value, value]));
  const timesteps = twice(schedule.timesteps);
  const sigmas = twice(schedule.sigmas);
  const levels = sigmas.map(levelOfSigma);
  const denoise = readDenoised(config);
  let start;
  return {
    timesteps,
    callsPerStep: 2,
    initNoiseSigma: initialSigma(config, sigmas),
    scaleModelInput: inputScaler(levels),
    addNoise: noiseAdder(levels),
    step(prediction, call, latents) {
      const sigma = sigmas[call];
      const denoised = denoise(prediction, latents, levels[call]);
      // d = (x − x₀) / σ
      const slope = combine([1 / sigma, latents], [-1 / sigma, denoised]);
      if (call % 2 === 0) {
        start = { latents, slope };
        // x' = x + (σₛ − σ) d
        return { latents: combine([1, latents], [sigmas[call + 1] - sigma, slope]), denoised };
      }
      // xₛ = x + (σₛ − σ) (d + d') / 2
      const half = (sigma - sigmas[call - 1]) / 2;
      return { latents: combine([1, start.latents], [half, start.slope], [half, slope]), denoised };
    },
  };
}
//# sourceMappingURL=heun.js.map
