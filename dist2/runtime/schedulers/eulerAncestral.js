import { combine, inputScaler, levelOfSigma, noiseAdder, readDenoised } from './level.js';
import { initialSigma, kDiffusionSchedule } from './noiseSchedule.js';
/** Euler's method to below the next sigma, and noise back up to it (`sample_euler_ancestral` of k-diffusion). */
export function eulerAncestral(config, steps) {
  const { timesteps, sigmas } = kDiffusionSchedule(config, steps);
  const levels = sigmas.map(levelOfSigma);
  const denoise = readDenoised(config);
  return {
    timesteps,
    callsPerStep: 1,
    initNoiseSigma: initialSigma(config, sigmas),
    scaleModelInput: inputScaler(levels),
    addNoise: noiseAdder(levels),
    step(prediction, call, latents, noise) {
      const sigma = sigmas[call];
      const { up, down } = ancestralSigmas(sigma, sigmas[call + 1]);
      const denoised = denoise(prediction, latents, levels[call]);
      const ratio = down / sigma;
      // Drawn at the last step too, where `up` is 0, so that the stream stays in step with diffusers.
      return {
        latents: combine([ratio, latents], [1 - ratio, denoised], [up, noise(latents.length)]),
        denoised,
      };
    },
  };
}
/** The sigma to step down to and the deviation of the noise that leads up from there to `next`. */
export function ancestralSigmas(sigma, next) {
  // σ_up² = σₛ² (σ² − σₛ²) / σ² and σ_down² = σₛ² − σ_up²
  const up = Math.sqrt((next ** 2 * (sigma ** 2 - next ** 2)) / sigma ** 2);
  return { up, down: next ** 2 / sigma };
}
//# sourceMappingURL=eulerAncestral.js.map
