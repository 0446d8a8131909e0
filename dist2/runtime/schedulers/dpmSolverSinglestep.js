import { dpmSolver, lambdaOf, solverOrder, solverSchedule } from './dpmSolver.js';
import { combine, inputUnscaled, noiseAdder, readDenoised } from './level.js';
/**
 * DPM++ 2S and its SDE: calls in groups of the solver's order, each reaching further from where its group began
 * (Lu et al. 2022, arXiv 2211.01095, algorithm 1). As in diffusers, every call counts as a step.
 */
export function dpmSolverSinglestep(config, steps, flow) {
  const solver = dpmSolver(config);
  const highest = solverOrder(config);
  const end = solver.endsAtZero ? 'zero' : 'sigma_min';
  const { timesteps, levels } = solverSchedule({ ...config, final_sigmas_type: end }, steps, flow, 'dpmSolver');
  const denoise = readDenoised(config);
  const midpoint = config.solver_type !== 'heun';
  const history = [];
  let groupStart;
  const orderOf = (call) => {
    const order = (call % highest) + 1;
    const lower = solver.endsAtZero || (order === highest && (config.lower_order_final ?? true));
    // Image-to-image may start inside a group.
    return call === steps - 1 && lower ? 1 : Math.min(order, history.length);
  };
  return {
    timesteps,
    callsPerStep: 1,
    initNoiseSigma: 1,
    scaleModelInput: inputUnscaled,
    addNoise: noiseAdder(levels),
    step(prediction, call, latents, noise) {
      const level = levels[call];
      history.unshift(solver.read(prediction, latents, level));
      history.length = Math.min(history.length, highest);
      const drawn = solver.noisy ? noise(latents.length) : undefined;
      const order = orderOf(call);
      if (order === 1) groupStart = latents;
      const first = call - order + 1;
      const derivatives = forwardDerivatives(
        history.slice(0, order).reverse(),
        levels.slice(first, call + 2),
        midpoint,
      );
      const half = midpoint && order === 2;
      return {
        latents: solver.integrate(groupStart, levels[first], levels[call + 1], derivatives, half, drawn),
        denoised: denoise(prediction, latents, level),
      };
    },
  };
}
/**
 * The value, slope and curvature at the start of a group, by λ and scaled by hᵏ, from the values in it.
 * @param values oldest first
 * @param levels where the values were found, then where the step ends
 */
function forwardDerivatives(values, levels, midpoint) {
  const [m0, m1, m2] = values;
  if (!m0 || !m1) return values;
  const lambda = (i) => lambdaOf(levels.at(i)) - lambdaOf(levels[0]);
  const h = lambda(-1);
  const slope = (value, r) => combine([1 / r, value], [-1 / r, m0]);
  const r1 = lambda(1) / h;
  // D₁ = (m₁ − m₀) / r₁
  if (!m2) return [m0, slope(m1, r1)];
  const r2 = lambda(2) / h;
  const [near, far] = [slope(m1, r1), slope(m2, r2)];
  if (midpoint) return [m0, far];
  // D₁ = (r₂ D₁₁ − r₁ D₁₂) / (r₂ − r₁), D₂ = 2 (D₁₂ − D₁₁) / (r₂ − r₁)
  const gap = r2 - r1;
  return [m0, combine([r2 / gap, near], [-r1 / gap, far]), combine([2 / gap, far], [-2 / gap, near])];
}
//# sourceMappingURL=dpmSolverSinglestep.js.map
