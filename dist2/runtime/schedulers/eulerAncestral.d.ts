import type { Scheduler, SchedulerConfig } from './scheduler.ts';
/** Euler's method to below the next sigma, and noise back up to it (`sample_euler_ancestral` of k-diffusion). */
export declare function eulerAncestral(config: SchedulerConfig, steps: number): Scheduler;
/** The sigma to step down to and the deviation of the noise that leads up from there to `next`. */
export declare function ancestralSigmas(
  sigma: number,
  next: number,
): {
  up: number;
  down: number;
};
