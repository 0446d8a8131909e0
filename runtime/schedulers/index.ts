import { ddim } from './ddim.ts';
import { ddpm } from './ddpm.ts';
import { deis } from './deis.ts';
import { dpmSolverMultistep } from './dpmSolverMultistep.ts';
import { dpmSolverSinglestep } from './dpmSolverSinglestep.ts';
import { euler } from './euler.ts';
import { eulerAncestral } from './eulerAncestral.ts';
import { flowMatchEuler } from './flowMatchEuler.ts';
import { heun } from './heun.ts';
import { ipndm } from './ipndm.ts';
import { kdpm2 } from './kdpm2.ts';
import { kdpm2Ancestral } from './kdpm2Ancestral.ts';
import { lcm } from './lcm.ts';
import { lms } from './lms.ts';
import { trainingSteps } from './noiseSchedule.ts';
import { pndm } from './pndm.ts';
import type { Scheduler, SchedulerConfig } from './scheduler.ts';
import { tcd } from './tcd.ts';
import { uniPC } from './uniPC.ts';

export type { Scheduler, SchedulerConfig, Step } from './scheduler.ts';

/** Every scheduler, by the name of its class in diffusers, which is what a model's config says. */
export const schedulers = {
  DDIMScheduler: ddim,
  DDPMScheduler: ddpm,
  DEISMultistepScheduler: deis,
  DPMSolverMultistepScheduler: dpmSolverMultistep,
  DPMSolverSinglestepScheduler: dpmSolverSinglestep,
  EulerAncestralDiscreteScheduler: eulerAncestral,
  EulerDiscreteScheduler: euler,
  FlowMatchEulerDiscreteScheduler: flowMatchEuler,
  HeunDiscreteScheduler: heun,
  IPNDMScheduler: ipndm,
  KDPM2AncestralDiscreteScheduler: kdpm2Ancestral,
  KDPM2DiscreteScheduler: kdpm2,
  LCMScheduler: lcm,
  LMSDiscreteScheduler: lms,
  PNDMScheduler: pndm,
  TCDScheduler: tcd,
  UniPCMultistepScheduler: uniPC,
} satisfies Record<string, (config: SchedulerConfig, steps: number) => Scheduler>;

export type SchedulerName = keyof typeof schedulers;

/** What a user's choice of scheduler settles; everything else comes from the model's config. */
export interface SchedulerChoice extends SchedulerConfig {
  readonly _class_name?: SchedulerName;
}

/** Names that settle only the method. */
const methods: Record<string, SchedulerChoice> = {
  DDIM: { _class_name: 'DDIMScheduler' },
  DDPM: { _class_name: 'DDPMScheduler' },
  DEIS: { _class_name: 'DEISMultistepScheduler' },
  'IPNDM Uniform': { _class_name: 'IPNDMScheduler' },
  LCM: { _class_name: 'LCMScheduler' },
  PNDM: { _class_name: 'PNDMScheduler' },
  TCD: { _class_name: 'TCDScheduler' },
};

/** Names that settle the spacing of sigmas too, by one of the words of `spacings` behind them. */
const spacedMethods: Record<string, SchedulerChoice> = {
  'DPM++': { _class_name: 'DPMSolverMultistepScheduler', algorithm_type: 'dpmsolver++', solver_order: 2 },
  'DPM++ 2M': { _class_name: 'DPMSolverMultistepScheduler', algorithm_type: 'dpmsolver++', solver_order: 2 },
  'DPM++ 2M SDE': { _class_name: 'DPMSolverMultistepScheduler', algorithm_type: 'sde-dpmsolver++', solver_order: 2 },
  'DPM++ 2S': { _class_name: 'DPMSolverSinglestepScheduler', algorithm_type: 'dpmsolver++', solver_order: 2 },
  'DPM++ 3M': { _class_name: 'DPMSolverMultistepScheduler', algorithm_type: 'dpmsolver++', solver_order: 3 },
  'DPM++ 3M SDE': { _class_name: 'DPMSolverMultistepScheduler', algorithm_type: 'sde-dpmsolver++', solver_order: 3 },
  // Deterministic, but what diffusers' documentation gives for this name; its singlestep SDE loses contrast in few steps.
  'DPM++ SDE': { _class_name: 'DPMSolverSinglestepScheduler', algorithm_type: 'dpmsolver++', solver_order: 2 },
  DPM2: { _class_name: 'KDPM2DiscreteScheduler' },
  'DPM2 a': { _class_name: 'KDPM2AncestralDiscreteScheduler' },
  Euler: { _class_name: 'EulerDiscreteScheduler' },
  'Euler a': { _class_name: 'EulerAncestralDiscreteScheduler' },
  Heun: { _class_name: 'HeunDiscreteScheduler' },
  LMS: { _class_name: 'LMSDiscreteScheduler' },
  UniPC: { _class_name: 'UniPCMultistepScheduler' },
  'UniPC 2M': { _class_name: 'UniPCMultistepScheduler', solver_order: 2 },
  'UniPC 3M': { _class_name: 'UniPCMultistepScheduler', solver_order: 3 },
};

const uniform = { use_karras_sigmas: false, use_exponential_sigmas: false, use_beta_sigmas: false };

/** "Uniform" are the timesteps; alone it is the same as no word at all. */
const spacings: Record<string, SchedulerChoice> = {
  '': uniform,
  ' Uniform': uniform,
  ' Karras': { ...uniform, use_karras_sigmas: true },
  ' Exponential': { ...uniform, use_exponential_sigmas: true },
  ' Beta': { ...uniform, use_beta_sigmas: true },
};

/** Every spelling as it is listed, with what it stands for. */
const spellings: readonly (readonly [string, SchedulerChoice])[] = [
  ['Default', {}],
  ...Object.entries(methods),
  ...Object.entries(spacedMethods).flatMap(([method, choice]) =>
    Object.entries(spacings).map(([word, spacing]) => [method + word, { ...choice, ...spacing }] as const),
  ),
  // A class leaves options to the model's config, as loading that class with the config does in diffusers.
  ...(Object.keys(schedulers) as SchedulerName[]).map((name) => [name, { _class_name: name }] as const),
];

const choices: ReadonlyMap<string, SchedulerChoice> = new Map(
  spellings.map(([spelling, choice]) => [normalize(spelling), choice]),
);

function normalize(spelling: string): string {
  const words = spelling.trim().toLowerCase().split(/\s+/).join(' ');
  return words.replace(/ uniform(?= (karras|exponential|beta)$)/, '');
}

/** What a spelling of a scheduler stands for, whatever its case; `undefined` where it is unknown. */
export function resolveScheduler(spelling: string): SchedulerChoice | undefined {
  return choices.get(normalize(spelling));
}

const ofEdm = 'it is for models trained on the noise levels of EDM, and none of those can be loaded';
const ofIpndm = 'IPNDM has timesteps of its own, which no spacing of sigmas can move';

/** Names that clients may know from elsewhere and that stand for nothing here, with the reason. */
const absent: Readonly<Record<string, string>> = {
  DPMSolverMultistepInverse: 'it leads from a picture back to noise, so it draws nothing',
  EDMDPMSolverMultistepScheduler: ofEdm,
  EDMEulerScheduler: ofEdm,
  // Its diffusers' namesake knows one fixed schedule only, which models of other schedules take for almost no noise.
  'IPNDM Uniform Beta': ofIpndm,
  'IPNDM Uniform Exponential': ofIpndm,
  'IPNDM Uniform Karras': ofIpndm,
};

const reasons: ReadonlyMap<string, string> = new Map(
  Object.entries(absent).map(([spelling, reason]) => [normalize(spelling), reason]),
);

/** What to tell a user whose spelling stands for nothing: the reason, where it is a name known from elsewhere, and the list. */
export function noSuchScheduler(spelling: string): string {
  const reason = reasons.get(normalize(spelling));
  const because = reason === undefined ? '' : `: ${reason}`;
  return `There is no scheduler ${spelling.trim()}${because}. There are: ${schedulerSpellings().join(', ')}.`;
}

/** The spellings that `resolveScheduler` knows, for texts that list them. */
export function schedulerSpellings(): string[] {
  return spellings.map(([spelling]) => spelling);
}

/**
 * A scheduler for one run.
 * @param config the model's `scheduler_config.json`
 * @param choice settles class and options over the config's; absent, the model's own scheduler is used
 * @param steps from 1 to half the length of the training schedule, which is mostly 1000
 * @throws Error with a sentence for the user, where model, choice and steps do not fit together
 */
export function createScheduler(
  config: SchedulerConfig,
  choice: SchedulerChoice | undefined,
  steps: number,
): Scheduler {
  const merged = { ...config, ...choice };
  const name = merged._class_name ?? 'none';
  if (!Object.hasOwn(schedulers, name)) {
    throw new Error(`The model's own scheduler is ${name}, which is not available; choose another one by name.`);
  }
  if (processOf(config) !== processOf(merged)) {
    throw new Error(`${name} is for models of ${processOf(merged)}, but this model is one of ${processOf(config)}.`);
  }
  refuseUnsupported(merged);
  // Closer together, some spacings would give two steps the same timestep.
  const most = Math.floor(trainingSteps(merged) / 2);
  if (!Number.isInteger(steps) || steps < 1 || steps > most) {
    throw new Error(`The number of steps is ${steps}, but must be a whole number from 1 to ${most}.`);
  }
  return schedulers[name as SchedulerName](merged, steps);
}

/**
 * The call that image-to-image starts at, so that the last `floor(steps * strength)` steps run; the number of calls
 * where that leaves none. `addNoise` for this call makes the first latents.
 */
export function firstCall(
  scheduler: Pick<Scheduler, 'timesteps' | 'callsPerStep'>,
  steps: number,
  strength: number,
): number {
  const startStep = steps - Math.min(Math.floor(steps * strength), steps);
  return startStep === steps ? scheduler.timesteps.length : startStep * scheduler.callsPerStep;
}

/** What a model was trained to undo. A scheduler for one process makes garbage of another's predictions. */
function processOf(config: SchedulerConfig): string {
  const name = config._class_name ?? '';
  const flow = config.prediction_type === 'flow_prediction' || config.use_flow_sigmas === true;
  if (flow || name.startsWith('FlowMatch')) return 'flow matching';
  if (name.startsWith('EDM')) return 'EDM diffusion';
  if (name.startsWith('IPNDM')) return 'diffusion in continuous time';
  return 'diffusion';
}

/** The one value known of options that change the picture; any other is refused rather than overlooked. */
const onlyKnown = {
  invert_sigmas: false,
  interpolation_type: 'linear',
  predict_x0: true,
  shift_terminal: undefined,
  sigma_max: undefined,
  sigma_min: undefined,
  thresholding: false,
  timestep_type: 'discrete',
  use_dynamic_shifting: false,
  use_flow_sigmas: false,
  use_lu_lambdas: false,
};

function refuseUnsupported(config: SchedulerConfig): void {
  for (const [option, known] of Object.entries(onlyKnown)) {
    const value = config[option] ?? known;
    if (value !== known) throw new Error(`The scheduler config sets ${option} to ${value}, which is not supported.`);
  }
}
