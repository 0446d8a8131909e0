import type { Scheduler, SchedulerConfig } from './scheduler.ts';
/**
 * Pseudo linear multistep (Liu et al. 2022, arXiv 2202.09778), started by one improved Euler step as in latent
 * diffusion rather than by Runge-Kutta: what diffusers does where `skip_prk_steps` is true. The second timestep is
 * visited twice, so a run of several steps makes one call more than it has steps.
 */
export declare function pndm(config: SchedulerConfig, steps: number): Scheduler;
