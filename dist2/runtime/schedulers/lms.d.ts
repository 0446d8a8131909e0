import type { Scheduler, SchedulerConfig } from './scheduler.ts';
/** Linear multistep over sigma: a polynomial through the last four slopes (`sample_lms` of k-diffusion). */
export declare function lms(config: SchedulerConfig, steps: number): Scheduler;
