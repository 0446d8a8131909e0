import { combine, inputUnscaled, noiseAdder } from './level.js';
import { adamsBashforth } from './multistep.js';
import { linspace } from './noiseSchedule.js';
/**
 * Improved pseudo numerical methods (Liu et al. 2022, arXiv 2202.09778) on the continuous cosine schedule of v-diffusion,
 * with timesteps from 1 to 0. For models trained on that schedule; others mistake such timesteps for the very last ones.
 */
export function ipndm(_config, steps) {
  // σ = sin²(πt/2), α = √(1 − σ²), and the model is told atan2(σ, α) · 2/π.
  const levels = linspace(1, 0, steps + 1).map((t) => {
    const sigma = Math.sin((t * Math.PI) / 2) ** 2;
    return { alpha: Math.sqrt(1 - sigma ** 2), sigma };
  });
  const timesteps = levels.slice(0, steps).map(({ alpha, sigma }) => (Math.atan2(sigma, alpha) / Math.PI) * 2);
  const history = [];
  return {
    timesteps,
    callsPerStep: 1,
    initNoiseSigma: 1,
    scaleModelInput: inputUnscaled,
    addNoise: noiseAdder(levels),
    step(prediction, call, latents) {
      const { alpha, sigma } = levels[call];
      const next = levels[call + 1];
      // ε = σx + αv and x₀ = αx − σv
      history.unshift(combine([sigma, latents], [alpha, prediction]));
      history.length = Math.min(history.length, 4);
      const denoised = combine([alpha, latents], [-sigma, prediction]);
      const epsilon = adamsBashforth(history);
      // xₛ = αₛ (x − σε) / α + σₛ ε; α is 0 at the very start, where 10⁻⁸ stands for it
      const ratio = next.alpha / Math.max(alpha, 1e-8);
      return { latents: combine([ratio, latents], [next.sigma - ratio * sigma, epsilon]), denoised };
    },
  };
}
//# sourceMappingURL=ipndm.js.map
