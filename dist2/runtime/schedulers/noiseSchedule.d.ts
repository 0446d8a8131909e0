import type { SchedulerConfig } from './scheduler.ts';
/** Length of the training schedule. */
export declare const trainingSteps: (config: SchedulerConfig) => number;
/** ᾱ at every training timestep, from almost 1 down to almost 0; exactly 0 at the end after a zero-SNR rescale. */
export declare function alphaBars(config: SchedulerConfig): Float32Array;
/** `alphaBars` for methods that divide by ᾱ: it ends a little above 0, at the smallest number of float16. */
export declare function positiveAlphaBars(config: SchedulerConfig): Float32Array;
export type TimestepSpacing = 'linspace' | 'leading' | 'trailing';
export interface Spacing {
  /** Used where the config has no `timestep_spacing`. */
  spacing: TimestepSpacing;
  /** `steps` counts intervals rather than points: one timestep more is laid out, and the lowest is left out. */
  intervals?: boolean;
  /** Length of the part of the training schedule that is used; default all of it. */
  length?: number;
}
/** `steps` timesteps, falling, spaced as in Lin et al. 2023 (arXiv 2305.08891), table 2; `linspace` is not rounded. */
export declare function spaceTimesteps(config: SchedulerConfig, steps: number, options: Spacing): number[];
/**
 * The timesteps of a distilled model: `steps` of the `original_inference_steps` (default 50) it was distilled on
 * (Luo et al. 2023, arXiv 2310.04378, section 4.3).
 */
export declare function distilledTimesteps(config: SchedulerConfig, steps: number): number[];
/** The timesteps of a run and their sigmas, both falling; the sigma that the run ends at stands behind the others. */
export interface SigmaSchedule {
  timesteps: number[];
  sigmas: number[];
  /** The sigmas of the training schedule, rising. */
  training: Float32Array;
}
/** The schedule of the k-diffusion family: timesteps are not rounded, and the run ends at 0. */
export declare function kDiffusionSchedule(config: SchedulerConfig, steps: number): SigmaSchedule;
/**
 * The schedule of the DPM-Solver family: whole timesteps, a spacing of sigmas that spans all of the training schedule,
 * and an end at 0 or, where `final_sigmas_type` is `sigma_min`, at the smallest training sigma.
 */
export declare function dpmSolverSchedule(config: SchedulerConfig, steps: number): SigmaSchedule;
/** Standard deviation of the first latents. With `leading` the run starts below full noise, on top of a signal. */
export declare function initialSigma(config: SchedulerConfig, sigmas: readonly number[]): number;
/** How a config spaces the sigmas between the largest and the smallest; undefined for even timesteps. */
export declare function sigmaSpacing(config: SchedulerConfig): typeof karrasSigmas | undefined;
/** Even in σ^(1/7) (Karras et al. 2022, arXiv 2206.00364, eq. 5). */
declare function karrasSigmas(largest: number, smallest: number, count: number): number[];
/** The timestep, not rounded, whose training sigma is `sigma`; linear in log σ, held at both ends. */
export declare function timestepOfSigma(training: Float32Array, sigma: number): number;
/** `count` values from `first` to `last`; a single one is `first`. */
export declare function linspace(first: number, last: number, count: number): number[];
/** Rounds like NumPy, on which the published timesteps depend: 499.5 is 500 and 500.5 is 500. */
export declare function roundHalfEven(value: number): number;
