import type { Scheduler, SchedulerConfig } from './scheduler.ts';
/** Latent consistency models: jump to the picture, add noise, jump again (Luo et al. 2023, arXiv 2310.04378). */
export declare function lcm(config: SchedulerConfig, steps: number): Scheduler;
