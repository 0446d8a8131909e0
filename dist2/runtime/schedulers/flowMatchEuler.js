import { flowMatchSchedule, levelOfFlow } from './flowSchedule.js';
import { combine, inputUnscaled, noiseAdder } from './level.js';
/** Euler's method for rectified flow; with `stochastic_sampling` the same as the sampler of consistency models. */
export function flowMatchEuler(config, steps, flow) {
  if (config.stochastic_sampling) return flowMatchLcm(config, steps, flow);
  const { timesteps, sigmas } = flowMatchSchedule(config, steps, flow);
  return {
    timesteps,
    callsPerStep: 1,
    initNoiseSigma: 1,
    scaleModelInput: inputUnscaled,
    addNoise: noiseAdder(sigmas.map(levelOfFlow)),
    step(prediction, call, latents) {
      const sigma = sigmas[call];
      return {
        // xₛ = x + (σₛ − σ) v
        latents: combine([1, latents], [sigmas[call + 1] - sigma, prediction]),
        // x₀ = x − σv
        denoised: combine([1, latents], [-sigma, prediction]),
      };
    },
  };
}
/** Heun's method for rectified flow: the same step again with the mean of the slopes at both ends; Euler's alone at the end. */
export function flowMatchHeun(config, steps, flow) {
  const schedule = flowMatchSchedule(config, steps, flow);
  // Calls 2i − 1 and 2i both look at sigma i: the end of one step and the start of the next.
  const twice = (values) => values.flatMap((value, i) => (i === 0 ? [value] : [value, value]));
  const sigmas = twice(schedule.sigmas);
  let start;
  return {
    timesteps: twice(schedule.timesteps),
    callsPerStep: 2,
    initNoiseSigma: 1,
    scaleModelInput: inputUnscaled,
    addNoise: noiseAdder(sigmas.map(levelOfFlow)),
    step(prediction, call, latents) {
      const sigma = sigmas[call];
      const denoised = combine([1, latents], [-sigma, prediction]);
      if (call % 2 === 0) {
        start = { latents, slope: prediction };
        return { latents: combine([1, latents], [sigmas[call + 1] - sigma, prediction]), denoised };
      }
      // xₛ = x + (σₛ − σ) (v + v') / 2
      const half = (sigma - sigmas[call - 1]) / 2;
      return { latents: combine([1, start.latents], [half, start.slope], [half, prediction]), denoised };
    },
  };
}
/** Consistency models of rectified flow: jump to the picture, add noise, jump again. */
export function flowMatchLcm(config, steps, flow) {
  const { timesteps, sigmas } = flowMatchSchedule(config, steps, flow);
  return {
    timesteps,
    callsPerStep: 1,
    initNoiseSigma: 1,
    scaleModelInput: inputUnscaled,
    addNoise: noiseAdder(sigmas.map(levelOfFlow)),
    step(prediction, call, latents, noise) {
      const next = sigmas[call + 1];
      const denoised = combine([1, latents], [-sigmas[call], prediction]);
      // Drawn at the last step too, where it counts nothing, so that the stream stays in step with diffusers.
      return { latents: combine([1 - next, denoised], [next, noise(latents.length)]), denoised };
    },
  };
}
//# sourceMappingURL=flowMatchEuler.js.map
