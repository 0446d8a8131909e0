import type { FlowSchedule } from './flowSchedule.ts';
import type { Scheduler, SchedulerConfig } from './scheduler.ts';
/**
 * DPM++ 2S and its SDE: calls in groups of the solver's order, each reaching further from where its group began
 * (Lu et al. 2022, arXiv 2211.01095, algorithm 1). As in diffusers, every call counts as a step.
 */
export declare function dpmSolverSinglestep(config: SchedulerConfig, steps: number, flow: FlowSchedule): Scheduler;
