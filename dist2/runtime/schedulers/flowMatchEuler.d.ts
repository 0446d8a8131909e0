import { type FlowSchedule } from './flowSchedule.ts';
import type { Scheduler, SchedulerConfig } from './scheduler.ts';
/** Euler's method for rectified flow; with `stochastic_sampling` the same as the sampler of consistency models. */
export declare function flowMatchEuler(config: SchedulerConfig, steps: number, flow: FlowSchedule): Scheduler;
/** Heun's method for rectified flow: the same step again with the mean of the slopes at both ends; Euler's alone at the end. */
export declare function flowMatchHeun(config: SchedulerConfig, steps: number, flow: FlowSchedule): Scheduler;
/** Consistency models of rectified flow: jump to the picture, add noise, jump again. */
export declare function flowMatchLcm(config: SchedulerConfig, steps: number, flow: FlowSchedule): Scheduler;
