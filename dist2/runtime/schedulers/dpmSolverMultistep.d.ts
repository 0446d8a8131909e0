import type { FlowSchedule } from './flowSchedule.ts';
import type { Scheduler, SchedulerConfig } from './scheduler.ts';
/** DPM++ 2M, 3M and their SDEs: slopes from earlier calls (Lu et al. 2022, arXiv 2211.01095, algorithm 2). */
export declare function dpmSolverMultistep(config: SchedulerConfig, steps: number, flow: FlowSchedule): Scheduler;
