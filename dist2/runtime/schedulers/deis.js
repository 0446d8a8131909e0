import { solverOrder } from './dpmSolver.js';
import { flowSolverSchedule } from './flowSchedule.js';
import { combine, inputUnscaled, levelOfRatio, noiseAdder, readDenoised, readNoise } from './level.js';
import { dpmSolverSchedule } from './noiseSchedule.js';
/** Diffusion exponential integrator, polynomials in log ρ, ρ = σ / α (Zhang and Chen 2022, arXiv 2204.13902). */
export function deis(config, steps, flow) {
  const highest = solverOrder(config);
  const { timesteps, levels } = scheduleOf(config, steps, flow);
  const rhos = levels.map(({ alpha, sigma }) => sigma / alpha);
  const denoise = readDenoised(config);
  const readEpsilon = readNoise(config);
  const lowerFinal = (config.lower_order_final ?? true) && steps < 15;
  const history = [];
  return {
    timesteps,
    callsPerStep: 1,
    initNoiseSigma: 1,
    scaleModelInput: inputUnscaled,
    addNoise: noiseAdder(levels),
    step(prediction, call, latents) {
      const level = levels[call];
      const next = levels[call + 1];
      history.unshift(readEpsilon(prediction, latents, level));
      history.length = Math.min(history.length, highest, lowerFinal ? steps - call : 3);
      const nodes = history.map((_, i) => Math.log(rhos[call - i]));
      // xₛ = αₛ (x / α + Σⱼ εⱼ ∫ Lⱼ(ln ρ) dρ from ρ to ρₛ)
      const terms = history.map((epsilon, j) => {
        const weight = antiderivative(rhos[call + 1], nodes, j) - antiderivative(rhos[call], nodes, j);
        return [next.alpha * weight, epsilon];
      });
      return {
        latents: combine([next.alpha / level.alpha, latents], ...terms),
        denoised: denoise(prediction, latents, level),
      };
    },
  };
}
function scheduleOf(config, steps, flow) {
  if (config.prediction_type === 'flow_prediction') return flowSolverSchedule(config, steps, flow, 'deis');
  const { timesteps, sigmas } = dpmSolverSchedule({ ...config, final_sigmas_type: 'sigma_min' }, steps);
  return { timesteps, levels: sigmas.map(levelOfRatio) };
}
/** ∫ Lⱼ(ln ρ) dρ, for the Lagrange polynomials of one to three nodes in ln ρ. */
function antiderivative(rho, nodes, j) {
  // ρ (ln ρ)ᵏ goes to 0 with ρ.
  if (rho === 0) return 0;
  const u = Math.log(rho);
  const [c, d] = nodes.filter((_, k) => k !== j);
  const b = nodes[j];
  if (c === undefined) return rho;
  // ∫ (u − c) dρ = ρ (u − 1 − c)
  if (d === undefined) return (rho * (u - 1 - c)) / (b - c);
  // ∫ (u − c)(u − d) dρ = ρ (u² − 2u + 2 − (c + d)(u − 1) + cd)
  return (rho * (u ** 2 - 2 * u + 2 - (c + d) * (u - 1) + c * d)) / ((b - c) * (b - d));
}
//# sourceMappingURL=deis.js.map
