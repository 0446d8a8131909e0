import { ancestralSigmas } from './eulerAncestral.js';
import { midpointScheduler } from './kdpm2.js';
/** DPM-Solver-2 to below the next sigma, and noise back up to it (`sample_dpm_2_ancestral` of k-diffusion). */
export function kdpm2Ancestral(config, steps) {
  const aim = (sigma, next) => {
    const { up, down } = ancestralSigmas(sigma, next);
    return { target: down, up };
  };
  return midpointScheduler(config, steps, aim, true);
}
//# sourceMappingURL=kdpm2Ancestral.js.map
