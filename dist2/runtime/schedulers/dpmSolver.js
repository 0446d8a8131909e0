import { flowSolverSchedule } from './flowSchedule.js';
import { combine, levelOfRatio, readDenoised, readNoise } from './level.js';
import { dpmSolverSchedule } from './noiseSchedule.js';

const algorithms = ['dpmsolver++', 'sde-dpmsolver++', 'dpmsolver'];
/** DPM-Solver (Lu et al. 2022, arXiv 2206.00927), DPM-Solver++ and its SDE (Lu et al. 2022, arXiv 2211.01095). */
export function dpmSolver(config) {
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
        ...derivatives.map((derivative, k) => [-scale * weights[k], derivative]),
        ...(noise ? [[to.sigma * Math.sqrt(-Math.expm1(-2 * h)), noise]] : []),
      );
    },
  };
}
/** λ = ln(α / σ); infinite where there is no noise. */
export const lambdaOf = ({ alpha, sigma }) => Math.log(alpha / sigma);
/** The timesteps of a run, and its levels with the one that it ends at behind the others; of flow where the config says so. */
export function solverSchedule(config, steps, flow, kind) {
  if (config.prediction_type === 'flow_prediction') return flowSolverSchedule(config, steps, flow, kind);
  const { timesteps, sigmas } = dpmSolverSchedule(config, steps);
  return { timesteps, levels: sigmas.map(levelOfRatio) };
}
/** The order a config asks for, 1 to 3. */
export function solverOrder(config) {
  const order = config.solver_order ?? 2;
  if (order === 1 || order === 2 || order === 3) return order;
  throw new Error(`The scheduler config asks for solver_order ${order}; known are 1, 2 and 3.`);
}
//# sourceMappingURL=dpmSolver.js.map
