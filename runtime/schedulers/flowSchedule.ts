import type { NoiseLevel } from './level.ts';
import { linspace, sigmaSpacing, trainingSteps } from './noiseSchedule.ts';
import type { SchedulerConfig } from './scheduler.ts';

/**
 * Schedules of rectified flow (Esser et al. 2024, arXiv 2403.03206), where latents are (1 − σ) x₀ + σε and the model
 * returns ε − x₀; σ falls from 1 to 0. The numbers are diffusers', whose classes differ in where they begin and end.
 */

/** What a family and a user settle about the sigmas of one run; what is absent comes from the scheduler's config. */
export interface FlowSchedule {
  /**
   * The dynamic shift of configs with `use_dynamic_shifting`, which the family computes from the size of the picture: the
   * shift is e^mu, or mu itself where `time_shift_type` is `linear`. Other configs take it too, as e^mu.
   */
  readonly mu?: number | undefined;
  /** The user's shift, greater than 0. It replaces that of the config and that of `mu`. */
  readonly shift?: number | undefined;
  /**
   * Sigmas before the shift, falling, one for each step. `even`: from 1 to 1 / steps, as most pipelines of diffusers hand
   * them over; multistep solvers, which take no such list there, use their own. Default: the scheduler's own.
   */
  readonly sigmas?: readonly number[] | 'even' | undefined;
}

/** Where flow latents are at σ. */
export const levelOfFlow = (sigma: number): NoiseLevel => ({ alpha: 1 - sigma, sigma });

/** σ' = sσ / (1 + (s − 1) σ) (section 5.3.2): a shift s above 1 moves steps towards the noise. */
const shiftedBy = (shift: number) => (sigma: number) => (shift * sigma) / (1 + (shift - 1) * sigma);

/** The s of `shiftedBy`. diffusers writes the dynamic ones as e^mu / (e^mu + 1/σ − 1), which is the same with s = e^mu. */
function shiftOf(config: SchedulerConfig, { mu, shift }: FlowSchedule): number {
  if (shift !== undefined) {
    if (Number.isFinite(shift) && shift > 0) return shift;
    throw new Error(`shift is ${shift}, but must be greater than 0.`);
  }
  if (mu !== undefined) return config.time_shift_type === 'linear' ? mu : Math.exp(mu);
  if (config.use_dynamic_shifting) {
    throw new Error('The scheduler config sets use_dynamic_shifting, but no mu was given.');
  }
  return config.shift ?? config.flow_shift ?? 1;
}

/** What every class does with its first list of sigmas: shift it, stretch its end, space it anew between its ends. */
function spaced(sigmas: readonly number[], config: SchedulerConfig, shift: number): number[] {
  let spacedSigmas = sigmas.map(shiftedBy(shift));
  const terminal = config.shift_terminal;
  if (terminal) {
    // 1 − (1 − σ) (1 − terminal) / (1 − last): the last sigma becomes `terminal`. A single one has nothing to stretch.
    const stretch = (1 - terminal) / (1 - spacedSigmas.at(-1)!);
    if (Number.isFinite(stretch)) spacedSigmas = spacedSigmas.map((sigma) => 1 - (1 - sigma) * stretch);
  }
  const respace = sigmaSpacing(config);
  return respace ? respace(spacedSigmas[0]!, spacedSigmas.at(-1)!, spacedSigmas.length) : spacedSigmas;
}

/** The schedule of the FlowMatch classes; the 0 that it ends at stands behind the others. */
export function flowMatchSchedule(
  config: SchedulerConfig,
  steps: number,
  flow: FlowSchedule,
): { timesteps: number[]; sigmas: number[] } {
  const length = trainingSteps(config);
  const shift = shiftOf(config, flow);
  const own = () => {
    // With a shift of its own, a class shifts its smallest sigma once when it is made, and once more with all others.
    const last = config.use_dynamic_shifting && flow.shift === undefined ? 1 / length : shiftedBy(shift)(1 / length);
    return linspace(1, last, steps);
  };
  const given = flow.sigmas === 'even' ? linspace(1, 1 / steps, steps) : flow.sigmas;
  const sigmas = spaced(given ? checked(given, steps) : own(), config, shift);
  return { timesteps: sigmas.map((sigma) => sigma * length), sigmas: [...sigmas, 0] };
}

/**
 * The schedule of the multistep solvers, as `use_flow_sigmas` gives it: timesteps are cut to whole numbers. What it ends at
 * stands behind the others: 0, or for DEIS the last sigma again, so that its last step does nothing, unless
 * `final_sigmas_type` is `zero`.
 */
export function flowSolverSchedule(
  config: SchedulerConfig,
  steps: number,
  flow: FlowSchedule,
  kind: 'dpmSolver' | 'uniPC' | 'deis',
): { timesteps: number[]; levels: NoiseLevel[] } {
  if (config.algorithm_type === 'dpmsolver') {
    throw new Error(
      'algorithm_type "dpmsolver" cannot end at the picture of a flow-matching model; "dpmsolver++" can.',
    );
  }
  const length = trainingSteps(config);
  const own = () => {
    const even = linspace(1, 1 / length, steps + 1);
    if (kind === 'uniPC') return even.slice(0, -1);
    return even
      .map((alpha) => 1 - alpha)
      .reverse()
      .slice(0, -1);
  };
  const given = flow.sigmas === 'even' || !flow.sigmas ? own() : checked(flow.sigmas, steps);
  // At σ = 1 there is no signal, and λ = ln(α / σ) is not finite.
  const sigmas = spaced(given, config, shiftOf(config, flow)).map((sigma) => Math.min(sigma, 1 - 1e-6));
  const end = kind === 'deis' && config.final_sigmas_type !== 'zero' ? sigmas.at(-1)! : 0;
  return {
    timesteps: sigmas.map((sigma) => Math.trunc(sigma * length)),
    levels: [...sigmas, end].map(levelOfFlow),
  };
}

function checked(sigmas: readonly number[], steps: number): readonly number[] {
  const falls = sigmas.every((sigma, i) => sigma > 0 && sigma <= 1 && (i === 0 || sigma < sigmas[i - 1]!));
  if (sigmas.length === steps && falls) return sigmas;
  throw new Error(`A list of sigmas must have one for each of the ${steps} steps, decreasing, at most 1 and above 0.`);
}
