import { ddim } from './ddim.ts';
import { ddpm } from './ddpm.ts';
import { deis } from './deis.ts';
import { dpmSolverMultistep } from './dpmSolverMultistep.ts';
import { dpmSolverSinglestep } from './dpmSolverSinglestep.ts';
import { euler } from './euler.ts';
import { eulerAncestral } from './eulerAncestral.ts';
import { flowMatchEuler, flowMatchHeun, flowMatchLcm } from './flowMatchEuler.ts';
import type { FlowSchedule } from './flowSchedule.ts';
import { heun } from './heun.ts';
import { ipndm } from './ipndm.ts';
import { kdpm2 } from './kdpm2.ts';
import { kdpm2Ancestral } from './kdpm2Ancestral.ts';
import { lcm } from './lcm.ts';
import { lms } from './lms.ts';
import { pndm } from './pndm.ts';
import type { Scheduler, SchedulerConfig } from './scheduler.ts';
import { tcd } from './tcd.ts';
import { uniPC } from './uniPC.ts';

export type { FlowSchedule } from './flowSchedule.ts';
export type { Scheduler, SchedulerConfig, Step } from './scheduler.ts';
/**
 * Every scheduler, by the name of its class in diffusers, which is what a model's config says. Where a class of diffusers
 * serves one kind of model only, and its step is the same step for another kind, it stands for that: Euler's method leads
 * from one level to the next along x₀ and ε, however the two are mixed.
 */
export declare const schedulers: {
  DDIMScheduler: {
    diffusion: typeof ddim;
    'flow matching': typeof flowMatchEuler;
  };
  DDPMScheduler: {
    diffusion: typeof ddpm;
  };
  DEISMultistepScheduler: {
    diffusion: typeof deis;
    'flow matching': typeof deis;
  };
  DPMSolverMultistepScheduler: {
    diffusion: typeof dpmSolverMultistep;
    'flow matching': typeof dpmSolverMultistep;
  };
  DPMSolverSinglestepScheduler: {
    diffusion: typeof dpmSolverSinglestep;
    'flow matching': typeof dpmSolverSinglestep;
  };
  EulerAncestralDiscreteScheduler: {
    diffusion: typeof eulerAncestral;
  };
  EulerDiscreteScheduler: {
    diffusion: typeof euler;
    'flow matching': typeof flowMatchEuler;
  };
  FlowMatchEulerDiscreteScheduler: {
    diffusion: typeof euler;
    'flow matching': typeof flowMatchEuler;
  };
  FlowMatchHeunDiscreteScheduler: {
    diffusion: typeof heun;
    'flow matching': typeof flowMatchHeun;
  };
  FlowMatchLCMScheduler: {
    diffusion: typeof lcm;
    'flow matching': typeof flowMatchLcm;
  };
  HeunDiscreteScheduler: {
    diffusion: typeof heun;
    'flow matching': typeof flowMatchHeun;
  };
  IPNDMScheduler: {
    diffusion: typeof lms;
    'diffusion in continuous time': typeof ipndm;
  };
  KDPM2AncestralDiscreteScheduler: {
    diffusion: typeof kdpm2Ancestral;
  };
  KDPM2DiscreteScheduler: {
    diffusion: typeof kdpm2;
  };
  LCMScheduler: {
    diffusion: typeof lcm;
    'flow matching': typeof flowMatchLcm;
  };
  LMSDiscreteScheduler: {
    diffusion: typeof lms;
  };
  PNDMScheduler: {
    diffusion: typeof pndm;
  };
  TCDScheduler: {
    diffusion: typeof tcd;
  };
  UniPCMultistepScheduler: {
    diffusion: typeof uniPC;
    'flow matching': typeof uniPC;
  };
};
export type SchedulerName = keyof typeof schedulers;
/** What a user's choice of scheduler settles; everything else comes from the model's config. */
export interface SchedulerChoice extends SchedulerConfig {
  readonly _class_name?: SchedulerName;
}
/** What a spelling of a scheduler stands for, whatever its case; `undefined` where it is unknown. */
export declare function resolveScheduler(spelling: string): SchedulerChoice | undefined;
/** What to tell a user whose spelling stands for nothing: the reason, where it is a name known from elsewhere, and the list. */
export declare function noSuchScheduler(spelling: string): string;
/**
 * The spellings that are listed: of each scheduler its name in Runware's words and that of its class.
 *
 * @param config - the model's, for those that serve it; absent: all
 */
export declare function schedulerSpellings(config?: SchedulerConfig): string[];
/**
 * A scheduler for one run.
 * @param config the model's `scheduler_config.json`
 * @param choice settles class and options over the config's; absent, the model's own scheduler is used
 * @param steps from 1 to half the length of the training schedule, which is mostly 1000
 * @param flow the sigmas of a flow model (see `isFlowModel`); other models have no use for it
 * @throws Error with a sentence for the user, where model, choice and steps do not fit together
 */
export declare function createScheduler(
  config: SchedulerConfig,
  choice: SchedulerChoice | undefined,
  steps: number,
  flow?: FlowSchedule,
): Scheduler;
/** Whether a model with this `scheduler_config.json` was trained for flow matching, so that `FlowSchedule` means something. */
export declare function isFlowModel(config: SchedulerConfig): boolean;
/**
 * The call that image-to-image starts at, so that the last `steps * strength` steps run; the number of calls where that
 * leaves none. `addNoise` for this call makes the first latents.
 *
 * @param partial - what becomes of the step that `steps * strength` covers in part: `dropped` (default), as in the
 *   pipelines of Stable Diffusion up to XL, or `run`, as in those of flow models
 */
export declare function firstCall(
  scheduler: Pick<Scheduler, 'timesteps' | 'callsPerStep'>,
  steps: number,
  strength: number,
  partial?: 'dropped' | 'run',
): number;
