import type { Scheduler, SchedulerConfig } from './scheduler.ts';
/** Denoising diffusion probabilistic models: ancestral sampling (Ho et al. 2020, arXiv 2006.11239, algorithm 2). */
export declare function ddpm(config: SchedulerConfig, steps: number): Scheduler;
