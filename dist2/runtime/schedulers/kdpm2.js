import { combine, inputScaler, levelOfSigma, noiseAdder, readDenoised } from './level.js';
import { initialSigma, kDiffusionSchedule, timestepOfSigma } from './noiseSchedule.js';
/**
 * DPM-Solver-2 (Lu et al. 2022, arXiv 2206.00927, algorithm 1; `sample_dpm_2` of k-diffusion): an Euler step half-way
 * in log σ, then a whole step along the slope found there. The last step is Euler's alone.
 */
export function kdpm2(config, steps) {
  return midpointScheduler(config, steps, (_, next) => ({ target: next, up: 0 }));
}
/**
 * A midpoint step from each sigma to a target, with noise from there up to the next sigma. Even calls look at the
 * sigmas of the schedule, odd ones half-way to the target.
 * @param noisy whether to draw noise, which is done at every call though only odd ones use it, like diffusers
 */
export function midpointScheduler(config, steps, aim, noisy = false) {
  const schedule = kDiffusionSchedule(config, steps);
  const targets = schedule.sigmas.slice(0, steps).map((sigma, i) => aim(sigma, schedule.sigmas[i + 1]));
  // √(σ σₜ), the mean in log σ; 0 in the last step, which makes it Euler's
  const middles = targets.map(({ target }, i) => Math.sqrt(schedule.sigmas[i] * target));
  const sigmas = middles.flatMap((middle, i) => [schedule.sigmas[i], middle]);
  const timesteps = middles
    .flatMap((middle, i) => [schedule.timesteps[i], timestepOfSigma(schedule.training, middle)])
    .slice(0, -1);
  const levels = sigmas.map(levelOfSigma);
  const denoise = readDenoised(config);
  let start;
  return {
    timesteps,
    callsPerStep: 2,
    initNoiseSigma: initialSigma(config, schedule.sigmas),
    scaleModelInput: inputScaler(levels),
    addNoise: noiseAdder(levels),
    step(prediction, call, latents, noise) {
      const sigma = sigmas[call];
      const denoised = denoise(prediction, latents, levels[call]);
      const drawn = noisy ? noise(latents.length) : undefined;
      if (call % 2 === 0) {
        start = latents;
        const ratio = sigmas[call + 1] / sigma;
        return { latents: combine([ratio, latents], [1 - ratio, denoised]), denoised };
      }
      const { target, up } = targets[(call - 1) / 2];
      // xₛ = x + (σₜ − σ) (x' − x₀) / σ' + σ_up z
      const slope = (target - sigmas[call - 1]) / sigma;
      const terms = [
        [1, start],
        [slope, latents],
        [-slope, denoised],
      ];
      return { latents: drawn ? combine(...terms, [up, drawn]) : combine(...terms), denoised };
    },
  };
}
//# sourceMappingURL=kdpm2.js.map
