import type { Scheduler, SchedulerConfig } from './scheduler.ts';
/** Euler's method (Karras et al. 2022, arXiv 2206.00364, algorithm 2 without churn). */
export declare function euler(config: SchedulerConfig, steps: number): Scheduler;
