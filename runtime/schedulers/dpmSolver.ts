import { type FlowSchedule, flowSolverSchedule } from './flowSchedule.ts';
import { combine, type FromPrediction, levelOfRatio, type NoiseLevel, readDenoised, readNoise } from './level.ts';
import { dpmSolverSchedule } from './noiseSchedule.ts';
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
    from: NoiseLevel,
    to: NoiseLevel,
    derivatives: readonly Float32Array[],
    midpoint: boolean,
    noise: Float32Array | undefined,
  ): Float32Array;
}

const algorithms = ['dpmsolver++', 'sde-dpmsolver++', 'dpmsolver'] as const;

/** DPM-Solver (Lu et al. 2022, arXiv 2206.00927), DPM-Solver++ and its SDE (Lu et al. 2022, arXiv 2211.01095). */
export function dpmSolver(config: SchedulerConfig): DpmSolver {
  // A config written for DEIS says "deis", which means nothing here.
  const wanted = config.algorithm_type === 'deis' ? undefined : config.algorithm_type;
  const algorithm = algorithms.find((known) => known === (wanted ?? 'dpmsolver++'));
  if (!algorithm) {
    throw new Error(`The scheduler config asks for algorithm_type "${wanted}"; known are ${algorithms.join(', ')}.`);
  }
  const ofNoise = algorithm === 'dpmsolver';
  const noisy = algorithm === 'sde-dpmsolver++';

  return {
    read: ofNoise ? readNoise(config) : readDenoised(config),
    noisy,
    endsAtZero: !ofNoise && config.final_sigmas_type !== 'sigma_min',
    integrate(latents, from, to, derivatives, midpoint, noise) {
      const h = lambdaOf(to) - lambdaOf(from);
      // Denoised: xₜ = σₜ/σₛ x − αₜ Σₖ wₖ Dₖ with z = −h; noise: xₜ = αₜ/αₛ x − σₜ Σₖ wₖ Dₖ with z = h;
      // the SDE: z = −2h, x once more by e^(−h), and noise of deviation σₜ √(1 − e^(−2h)).
      const z = ofNoise ? h : noisy ? -2 * h : -h;
      const scale = ofNoise ? to.sigma : to.alpha;
      const growth = Math.expm1(z);
      // w₀ = eᶻ − 1, w₁ = (eᶻ − 1)/z − 1, w₂ = (eᶻ − 1 − z)/z² − ½
      const weights = [growth, midpoint ? growth / 2 : growth / z - 1, (growth - z) / z ** 2 - 0.5];
      const keep = ofNoise ? to.alpha / from.alpha : (to.sigma / from.sigma) * (noisy ? Math.exp(-h) : 1);
      return combine(
        [keep, latents],
        ...derivatives.map((derivative, k) => [-scale * weights[k]!, derivative] as const),
        ...(noise ? [[to.sigma * Math.sqrt(-Math.expm1(-2 * h)), noise] as const] : []),
      );
    },
  };
}

/** λ = ln(α / σ); infinite where there is no noise. */
export const lambdaOf = ({ alpha, sigma }: NoiseLevel): number => Math.log(alpha / sigma);

/** The timesteps of a run, and its levels with the one that it ends at behind the others; of flow where the config says so. */
export function solverSchedule(
  config: SchedulerConfig,
  steps: number,
  flow: FlowSchedule,
  kind: 'dpmSolver' | 'uniPC',
): { timesteps: number[]; levels: NoiseLevel[] } {
  if (config.prediction_type === 'flow_prediction') return flowSolverSchedule(config, steps, flow, kind);
  const { timesteps, sigmas } = dpmSolverSchedule(config, steps);
  return { timesteps, levels: sigmas.map(levelOfRatio) };
}

/** The order a config asks for, 1 to 3. */
export function solverOrder(config: SchedulerConfig): 1 | 2 | 3 {
  const order = config.solver_order ?? 2;
  if (order === 1 || order === 2 || order === 3) return order;
  throw new Error(`The scheduler config asks for solver_order ${order}; known are 1, 2 and 3.`);
}
