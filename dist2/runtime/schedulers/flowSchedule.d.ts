import type { Level } from './level.ts';
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
export declare const levelOfFlow: (sigma: number) => Level;
/** The schedule of the FlowMatch classes; the 0 that it ends at stands behind the others. */
export declare function flowMatchSchedule(
  config: SchedulerConfig,
  steps: number,
  flow: FlowSchedule,
): {
  timesteps: number[];
  sigmas: number[];
};
/**
 * The schedule of the multistep solvers, as `use_flow_sigmas` gives it: timesteps are cut to whole numbers. What it ends at
 * stands behind the others: 0, or for DEIS the last sigma again, so that its last step does nothing, unless
 * `final_sigmas_type` is `zero`.
 */
export declare function flowSolverSchedule(
  config: SchedulerConfig,
  steps: number,
  flow: FlowSchedule,
  kind: 'dpmSolver' | 'uniPC' | 'deis',
): {
  timesteps: number[];
  levels: Level[];
};
