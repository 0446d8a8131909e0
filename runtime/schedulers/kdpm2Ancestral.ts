import { ancestralSigmas } from './eulerAncestral.ts';
import { midpointScheduler } from './kdpm2.ts';
import type { Scheduler, SchedulerConfig } from './scheduler.ts';

/** DPM-Solver-2 to below the next sigma, and noise back up to it (`sample_dpm_2_ancestral` of k-diffusion). */
export function kdpm2Ancestral(config: SchedulerConfig, steps: number): Scheduler {
  const aim = (sigma: number, next: number) => {
    const { up, down } = ancestralSigmas(sigma, next);
    return { target: down, up };
  };
  return midpointScheduler(config, steps, aim, true);
}
