import { type FlowSchedule } from './flowSchedule.ts';
import { type FromPrediction, type Level } from './level.ts';
import type { SchedulerConfig } from './scheduler.ts';
/** What the multistep and the singlestep DPM-Solver have in common: one exponential integration in λ = ln(α / σ). */
export interface DpmSolver {
  /** What is integrated: denoised latents, or the noise for `dpmsolver`. */
  read: FromPrediction;
  /** Whether a step needs noise. */
  noisy: boolean;
  /** Where the run ends; the noise form cannot reach 0. */
  endsAtZero: boolean;
  /**
   * Latents at level `to` from latents at level `from`.
   * @param derivatives of what `read` gives, by λ and scaled by hᵏ: the value, then slope and curvature
   * @param midpoint takes half of the value's weight for the slope, which is exact where the slope was found half-way
   */
  integrate(
    latents: Float32Array,
    from: Level,
    to: Level,
    derivatives: readonly Float32Array[],
    midpoint: boolean,
    noise: Float32Array | undefined,
  ): Float32Array;
}
/** DPM-Solver (Lu et al. 2022, arXiv 2206.00927), DPM-Solver++ and its SDE (Lu et al. 2022, arXiv 2211.01095). */
export declare function dpmSolver(config: SchedulerConfig): DpmSolver;
/** λ = ln(α / σ); infinite where there is no noise. */
export declare const lambdaOf: ({ alpha, sigma }: Level) => number;
/** The timesteps of a run, and its levels with the one that it ends at behind the others; of flow where the config says so. */
export declare function solverSchedule(
  config: SchedulerConfig,
  steps: number,
  flow: FlowSchedule,
  kind: 'dpmSolver' | 'uniPC',
): {
  timesteps: number[];
  levels: Level[];
};
/** The order a config asks for, 1 to 3. */
export declare function solverOrder(config: SchedulerConfig): 1 | 2 | 3;
