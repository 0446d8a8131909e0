import type { Scheduler, SchedulerConfig } from './scheduler.ts';
/**
 * DPM-Solver-2 (Lu et al. 2022, arXiv 2206.00927, algorithm 1; `sample_dpm_2` of k-diffusion): an Euler step half-way
 * in log σ, then a whole step along the slope found there. The last step is Euler's alone.
 */
export declare function kdpm2(config: SchedulerConfig, steps: number): Scheduler;
/**
 * A midpoint step from each sigma to a target, with noise from there up to the next sigma. Even calls look at the
 * sigmas of the schedule, odd ones half-way to the target.
 * @param noisy whether to draw noise, which is done at every call though only odd ones use it, like diffusers
 */
export declare function midpointScheduler(
  config: SchedulerConfig,
  steps: number,
  aim: (
    sigma: number,
    next: number,
  ) => {
    target: number;
    up: number;
  },
  noisy?: boolean,
): Scheduler;
