import type { Scheduler, SchedulerConfig } from './scheduler.ts';
/** Trajectory consistency distillation: jump part of the way, add noise (Zheng et al. 2024, arXiv 2402.19159, alg. 3). */
export declare function tcd(config: SchedulerConfig, steps: number): Scheduler;
