import type { Scheduler, SchedulerConfig } from './scheduler.ts';
/** Denoising diffusion implicit models without randomness, η = 0 (Song et al. 2020, arXiv 2010.02502). */
export declare function ddim(config: SchedulerConfig, steps: number): Scheduler;
