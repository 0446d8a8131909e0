import type { Scheduler, SchedulerConfig } from './scheduler.ts';
/** DPM-Solver-2 to below the next sigma, and noise back up to it (`sample_dpm_2_ancestral` of k-diffusion). */
export declare function kdpm2Ancestral(config: SchedulerConfig, steps: number): Scheduler;
