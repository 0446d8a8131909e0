import { dpmSolver, lambdaOf, solverOrder, solverSchedule } from './dpmSolver.js';
import { combine, inputUnscaled, noiseAdder, readDenoised } from './level.js';
/** DPM++ 2M, 3M and their SDEs: slopes from earlier calls (Lu et al. 2022, arXiv 2211.01095, algorithm 2). */
export function dpmSolverMultistep(config, steps, flow) {
  const solver = dpmSolver(config);
  const highest = solverOrder(config);
  const end = solver.endsAtZero ? 'zero' : 'sigma_min';
  const { timesteps, levels } = solverSchedule({ ...config, final_sigmas_type: end }, steps, flow, 'dpmSolver');
  const denoise = readDenoised(config);
  const midpoint = config.solver_type !== 'heun';
  const history = [];
  const lowerFinal = (config.lower_order_final ?? true) && steps < 15;
  const orderOf = (call) => {
    const left = steps - call;
    const last = left === 1 && (config.euler_at_final || lowerFinal || solver.endsAtZero);
    if (last) return 1;
    return Math.min(highest, history.length, left === 2 && lowerFinal ? 2 : 3);
  };
  return {
    timesteps,
    callsPerStep: 1,
    initNoiseSigma: 1,
    scaleModelInput: inputUnscaled,
    addNoise: noiseAdder(levels),
    step(prediction, call, latents, noise) {
      const level = levels[call];
      const value = solver.read(prediction, latents, level);
      history.unshift(value);
      history.length = Math.min(history.length, highest);
      const derivatives = backwardDerivatives(history.slice(0, orderOf(call)), levels, call);
      const drawn = solver.noisy ? noise(latents.length) : undefined;
      const half = midpoint && derivatives.length === 2;
      return {
        latents: solver.integrate(latents, levels[call], levels[call + 1], derivatives, half, drawn),
        denoised: denoise(prediction, latents, level),
      };
    },
  };
}
/** The value, slope and curvature at a call, by λ and scaled by hᵏ, from its value and those before it. */
function backwardDerivatives(values, levels, call) {
  const [m0, m1, m2] = values;
  if (!m0 || !m1) return values;
  const gap = (i) => lambdaOf(levels[i + 1]) - lambdaOf(levels[i]);
  const h = gap(call);
  // D₁₀ = (m₀ − m₁) / r₀
  const r0 = gap(call - 1) / h;
  const near = combine([1 / r0, m0], [-1 / r0, m1]);
  if (!m2) return [m0, near];
  // D₁₁ = (m₁ − m₂) / r₁, D₁ = D₁₀ + r₀ / (r₀ + r₁) (D₁₀ − D₁₁), D₂ = (D₁₀ − D₁₁) / (r₀ + r₁)
  const r1 = gap(call - 2) / h;
  const far = combine([1 / r1, m1], [-1 / r1, m2]);
  const share = r0 / (r0 + r1);
  return [m0, combine([1 + share, near], [-share, far]), combine([1 / (r0 + r1), near], [-1 / (r0 + r1), far])];
}
//# sourceMappingURL=dpmSolverMultistep.js.map
