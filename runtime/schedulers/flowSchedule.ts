import type { Level } from './level.ts';
import { linspace, sigmaSpacing, trainingSteps } from './noiseSchedule.ts';
import type { SchedulerConfig } from './scheduler.ts';

/**
 * Schedules of rectified flow (Esser et al. 2024, arXiv 2403.03206), where latents are (1 − σ) x₀ + σε and the model
 * returns ε − x₀; σ falls from 1 to 0. The numbers are diffusers', whose classes differ in where they begin and end.
 */

/** Where flow latents are at σ. */
export const levelOfFlow = (sigma: number): Level => ({ alpha: 1 - sigma, sigma });

/** σ' = sσ / (1 + (s − 1) σ) (section 5.3.2): a shift s above 1 moves steps towards the noise. */
export function flowShift(config: SchedulerConfig): (sigma: number) => number {
  const shift = config.shift ?? config.flow_shift ?? 1;
  return (sigma) => (shift * sigma) / (1 + (shift - 1) * sigma);
}

/**
 * The schedule of the FlowMatch classes; the 0 that it ends at stands behind the others. `trailing` spacing, which these
 * classes are given as a list of sigmas, ends a whole step before 0; without it the last sigma is close to 0.
 */
export function flowMatchSchedule(config: SchedulerConfig, steps: number): { timesteps: number[]; sigmas: number[] } {
  const length = trainingSteps(config);
  const shifted = flowShift(config);
  // diffusers shifts the ends once for training and the whole schedule once more for the run.
  const last = config.timestep_spacing === 'trailing' ? 1 / steps : shifted(1 / length);
  let sigmas = linspace(1, last, steps).map(shifted);
  const respace = sigmaSpacing(config);
  if (respace) sigmas = respace(sigmas[0]!, sigmas.at(-1)!, steps);
  return { timesteps: sigmas.map((sigma) => sigma * length), sigmas: [...sigmas, 0] };
}

/** The schedule of the multistep solvers, as `use_flow_sigmas` gives it: timesteps are cut to whole numbers. */
export function flowSolverSchedule(
  config: SchedulerConfig,
  steps: number,
  kind: 'dpmSolver' | 'uniPC',
): { timesteps: number[]; levels: Level[] } {
  if (sigmaSpacing(config)) {
    throw new Error(
      'For a flow model this scheduler has one spacing of steps; name it without Karras, Exponential or Beta.',
    );
  }
  if (config.algorithm_type === 'dpmsolver') {
    throw new Error('algorithm_type "dpmsolver" cannot end at a picture of a flow model; "dpmsolver++" can.');
  }
  const length = trainingSteps(config);
  const even = linspace(1, 1 / length, steps + 1);
  const sigmas =
    kind === 'uniPC'
      ? even.slice(0, -1)
      : even
          .map((alpha) => 1 - alpha)
          .reverse()
          .slice(0, -1);
  // At σ = 1 there is no signal, and λ = ln(α / σ) is not finite.
  const shifted = sigmas.map(flowShift(config)).map((sigma) => Math.min(sigma, 1 - 1e-6));
  return {
    timesteps: shifted.map((sigma) => Math.trunc(sigma * length)),
    levels: [...shifted, 0].map(levelOfFlow),
  };
}
