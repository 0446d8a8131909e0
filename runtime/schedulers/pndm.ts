import { combine, inputUnscaled, levelOfAlphaCumprod, noiseAdder, readDenoised, readNoise } from './level.ts';
import { adamsBashforth } from './multistep.ts';
import { positiveAlphasCumprodOf, roundHalfEven, spaceTimesteps, trainingSteps } from './noiseSchedule.ts';
import type { Scheduler, SchedulerConfig } from './scheduler.ts';

/**
 * Pseudo linear multistep (Liu et al. 2022, arXiv 2202.09778), started by one improved Euler step as in latent
 * diffusion rather than by Runge-Kutta: what diffusers does where `skip_prk_steps` is true. The second timestep is
 * visited twice, so a run of several steps makes one call more than it has steps.
 */
export function pndm(config: SchedulerConfig, steps: number): Scheduler {
  const spaced = spaceTimesteps(config, steps, { spacing: 'leading' }).map(roundHalfEven);
  const timesteps = [...spaced.slice(0, 2), ...spaced.slice(1)];
  const stride = Math.floor(trainingSteps(config) / steps);
  const alphasCumprod = positiveAlphasCumprodOf(config);
  const last = (config.set_alpha_to_one ?? false) ? 1 : alphasCumprod[0]!;
  const alphaCumprodAt = (timestep: number) =>
    timestep < 0 ? last : alphasCumprod[Math.min(timestep, alphasCumprod.length - 1)]!;
  const levels = timesteps.map((timestep) => levelOfAlphaCumprod(alphaCumprodAt(timestep)));
  const denoise = readDenoised(config);
  const readEpsilon = readNoise(config);

  const history: Float32Array[] = [];
  let calls = 0;
  let start: Float32Array | undefined;

  /** From one timestep to a lower one (eq. 9), where ε is that of the multistep method. */
  const move = (latents: Float32Array, epsilon: Float32Array, from: number, to: number) => {
    const [alphaCumprod, nextAlphaCumprod] = [alphaCumprodAt(from), alphaCumprodAt(to)];
    // xₛ = √(ᾱₛ / ᾱₜ) xₜ − (ᾱₛ − ᾱₜ) / (ᾱₜ √(1 − ᾱₛ) + √(ᾱₜ (1 − ᾱₜ) ᾱₛ)) ε
    const divisor =
      alphaCumprod * Math.sqrt(1 - nextAlphaCumprod) + Math.sqrt(alphaCumprod * (1 - alphaCumprod) * nextAlphaCumprod);
    return combine(
      [Math.sqrt(nextAlphaCumprod / alphaCumprod), latents],
      [-(nextAlphaCumprod - alphaCumprod) / divisor, epsilon],
    );
  };

  return {
    timesteps,
    callsPerStep: 1,
    initNoiseSigma: 1,
    scaleModelInput: inputUnscaled,
    addNoise: noiseAdder(levels),
    step(prediction, call, latents) {
      const timestep = timesteps[call]!;
      const denoised = denoise(prediction, latents, levels[call]!);
      const epsilon = readEpsilon(prediction, latents, levels[call]!);
      // Counted from the run's first call, which in image-to-image is a later one of the schedule.
      const count = calls++;
      if (count === 1) {
        // The improved Euler step: again from the start, with the mean of the slopes at both ends.
        const mean = combine([0.5, epsilon], [0.5, history[0]!]);
        return { latents: move(start!, mean, timestep + stride, timestep), denoised };
      }
      if (count === 0) start = latents;
      history.unshift(epsilon);
      history.length = Math.min(history.length, 4);
      return { latents: move(latents, adamsBashforth(history), timestep, timestep - stride), denoised };
    },
  };
}
