import { type FlowSchedule } from './flowSchedule.ts';
import type { Scheduler, SchedulerConfig } from './scheduler.ts';
/** Diffusion exponential integrator, polynomials in log ρ, ρ = σ / α (Zhang and Chen 2022, arXiv 2204.13902). */
export declare function deis(config: SchedulerConfig, steps: number, flow: FlowSchedule): Scheduler;
