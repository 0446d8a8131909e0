import { lambdaOf, solverOrder, solverSchedule } from './dpmSolver.js';
import { combine, inputUnscaled, noiseAdder, readDenoised } from './level.js';
/**
 * UniPC: every prediction first corrects the latents it was asked about, then predicts the next ones
 * (Zhao et al. 2023, arXiv 2302.04867, algorithms 1 and 2), on denoised latents.
 */
export function uniPC(config, steps, flow) {
  const highest = solverOrder(config);
  const { timesteps, levels } = solverSchedule(config, steps, flow, 'uniPC');
  const denoise = readDenoised(config);
  const bh1 = config.solver_type === 'bh1';
  const lowerFinal = config.lower_order_final ?? true;
  const history = [];
  let previous;
  /**
   * Latents at call `from + 1` from those at call `from`.
   * @param values denoised latents at call `from` and before, newest first; as many as the order
   * @param target denoised latents at call `from + 1`: given, this corrects; absent, it predicts
   */
  const move = (latents, from, values, target) => {
    const [start, end] = [levels[from], levels[from + 1]];
    // z = −h, h = λₜ − λₛ with λ = ln(α / σ)
    const lambda = (i) => lambdaOf(levels[i]);
    const z = lambda(from) - lambda(from + 1);
    const growth = Math.expm1(z);
    const bh = bh1 ? z : growth;
    // rᵢ = (λᵢ − λₛ) / h, and r = 1 for the target
    const nodes = values.slice(1).map((_, i) => (lambda(from - 1 - i) - lambda(from)) / -z);
    if (target) nodes.push(1);
    const newest = values[0];
    const others = target ? [...values.slice(1), target] : values.slice(1);
    const rhos = residualWeights(nodes, z, bh);
    // xₜ = σₜ/σₛ x − αₜ (e^(−h) − 1) m₀ − αₜ B(h) Σᵢ ρᵢ (mᵢ − m₀) / rᵢ (eqs. 3 and 8)
    const weights = rhos.map((rho, i) => (-end.alpha * bh * rho) / nodes[i]);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return combine(
      [end.sigma / start.sigma, latents],
      [-end.alpha * growth - total, newest],
      ...others.map((value, i) => [weights[i], value]),
    );
  };
  return {
    timesteps,
    callsPerStep: 1,
    initNoiseSigma: 1,
    scaleModelInput: inputUnscaled,
    addNoise: noiseAdder(levels),
    step(prediction, call, latents) {
      const denoised = denoise(prediction, latents, levels[call]);
      const corrected = previous
        ? move(previous.latents, call - 1, history.slice(0, previous.order), denoised)
        : latents;
      history.unshift(denoised);
      history.length = Math.min(history.length, highest);
      // At σ = 0 only the first order is finite.
      const left = lowerFinal || levels[call + 1].sigma === 0 ? steps - call : highest;
      const order = Math.min(history.length, left);
      previous = { latents: corrected, order };
      return { latents: move(corrected, call, history.slice(0, order)), denoised };
    },
  };
}
/** ρ of Rρ = b, Rₖᵢ = rᵢ^(k−1), bₖ = k! φₖ₊₁(z) z / B (eq. 5); the paper sets a single ρ to ½. */
function residualWeights(nodes, z, bh) {
  if (nodes.length === 0) return [];
  if (nodes.length === 1) return [0.5];
  const rows = [];
  let factorial = 1;
  let phi = Math.expm1(z) / z - 1;
  for (let k = 1; k <= nodes.length; k++) {
    rows.push([...nodes.map((node) => node ** (k - 1)), (phi * factorial) / bh]);
    factorial *= k + 1;
    phi = phi / z - 1 / factorial;
  }
  return solve(rows);
}
/** Gaussian elimination with the right-hand side as last column; two or three distinct nodes need no pivoting. */
function solve(rows) {
  const size = rows.length;
  for (let pivot = 0; pivot < size; pivot++) {
    for (let row = 0; row < size; row++) {
      if (row === pivot) continue;
      const factor = rows[row][pivot] / rows[pivot][pivot];
      for (let column = pivot; column <= size; column++) rows[row][column] -= factor * rows[pivot][column];
    }
  }
  return rows.map((row, i) => row[size] / row[i]);
}
//# sourceMappingURL=uniPC.js.map
