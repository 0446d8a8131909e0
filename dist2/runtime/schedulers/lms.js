import { combine, inputScaler, levelOfSigma, noiseAdder, readDenoised } from './level.js';
import { initialSigma, kDiffusionSchedule } from './noiseSchedule.js';

const order = 4;
/** Linear multistep over sigma: a polynomial through the last four slopes (`sample_lms` of k-diffusion). */
export function lms(config, steps) {
  const { timesteps, sigmas } = kDiffusionSchedule(config, steps);
  const levels = sigmas.map(levelOfSigma);
  const denoise = readDenoised(config);
  const slopes = [];
  return {
    timesteps,
    callsPerStep: 1,
    initNoiseSigma: initialSigma(config, sigmas),
    scaleModelInput: inputScaler(levels),
    addNoise: noiseAdder(levels),
    step(prediction, call, latents) {
      const sigma = sigmas[call];
      const denoised = denoise(prediction, latents, levels[call]);
      slopes.unshift(combine([1 / sigma, latents], [-1 / sigma, denoised]));
      slopes.length = Math.min(slopes.length, order);
      const nodes = slopes.map((_, i) => sigmas[call - i]);
      // xₛ = x + Σⱼ dⱼ ∫ Lⱼ(τ) dτ from σ to σₛ, Lⱼ the Lagrange polynomials of the last sigmas
      const terms = slopes.map((slope, j) => [integral(nodes, j, sigma, sigmas[call + 1]), slope]);
      return { latents: combine([1, latents], ...terms), denoised };
    },
  };
}
/** ∫ Lⱼ(τ) dτ from a to b; two Gauss points are exact up to degree 3, the highest of four nodes. */
function integral(nodes, j, a, b) {
  const lagrange = (tau) =>
    nodes.reduce((product, node, k) => (k === j ? product : (product * (tau - node)) / (nodes[j] - node)), 1);
  const middle = (a + b) / 2;
  const half = (b - a) / 2;
  return half * (lagrange(middle - half / Math.sqrt(3)) + lagrange(middle + half / Math.sqrt(3)));
}
//# sourceMappingURL=lms.js.map
