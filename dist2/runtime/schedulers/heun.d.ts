import type { Scheduler, SchedulerConfig } from './scheduler.ts';
/**
 * Heun's method (Karras et al. 2022, arXiv 2206.00364, algorithm 1): an Euler step, then the same step again with the
 * mean of the slopes at both ends. The last step is Euler's alone, because there is no slope at σ = 0.
 */
export declare function heun(config: SchedulerConfig, steps: number): Scheduler;
