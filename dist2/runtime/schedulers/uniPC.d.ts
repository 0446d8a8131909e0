import type { FlowSchedule } from './flowSchedule.ts';
import type { Scheduler, SchedulerConfig } from './scheduler.ts';
/**
 * UniPC: every prediction first corrects the latents it was asked about, then predicts the next ones
 * (Zhao et al. 2023, arXiv 2302.04867, algorithms 1 and 2), on denoised latents.
 */
export declare function uniPC(config: SchedulerConfig, steps: number, flow: FlowSchedule): Scheduler;
