import type { Scheduler, SchedulerConfig } from './scheduler.ts';
/**
 * Improved pseudo numerical methods (Liu et al. 2022, arXiv 2202.09778) on the continuous cosine schedule of v-diffusion,
 * with timesteps from 1 to 0. For models trained on that schedule; others mistake such timesteps for the very last ones.
 */
export declare function ipndm(_config: SchedulerConfig, steps: number): Scheduler;
