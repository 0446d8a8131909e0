import { combine, inputUnscaled, noiseAdder } from './level.ts';
import { linspace, trainingSteps } from './noiseSchedule.ts';
import type { Scheduler, SchedulerConfig } from './scheduler.ts';

/**
 * Euler's method for rectified flow (Esser et al. 2024, arXiv 2403.03206), where latents are (1 − σ) x₀ + σε and the
 * model returns ε − x₀. `shift` above 1 moves steps towards the noise.
 */
export function flowMatchEuler(config: SchedulerConfig, steps: number): Scheduler {
  const shift = config.shift ?? 1;
  const length = trainingSteps(config);
  // σ' = sσ / (1 + (s − 1) σ) (section 5.3.2)
  const shifted = (sigma: number) => (shift * sigma) / (1 + (shift - 1) * sigma);
  // diffusers shifts the ends once for training and the whole schedule once more for the run.
  const sigmas = [...linspace(1, shifted(1 / length), steps).map(shifted), 0];
  const levels = sigmas.map((sigma) => ({ alpha: 1 - sigma, sigma }));

  return {
    timesteps: sigmas.slice(0, steps).map((sigma) => sigma * length),
    callsPerStep: 1,
    initNoiseSigma: 1,
    scaleModelInput: inputUnscaled,
    addNoise: noiseAdder(levels),
    step(prediction, call, latents) {
      const sigma = sigmas[call]!;
      return {
        // xₛ = x + (σₛ − σ) v
        latents: combine([1, latents], [sigmas[call + 1]! - sigma, prediction]),
        // x₀ = x − σv
        denoised: combine([1, latents], [-sigma, prediction]),
      };
    },
  };
}
