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
import { trainingSteps } from './noiseSchedule.ts';
import { pndm } from './pndm.ts';
import type { Scheduler, SchedulerConfig } from './scheduler.ts';
import { tcd } from './tcd.ts';
import { uniPC } from './uniPC.ts';

export type { FlowSchedule } from './flowSchedule.ts';
export type { Scheduler, SchedulerConfig, Step } from './scheduler.ts';

type Make = (config: SchedulerConfig, steps: number, flow: FlowSchedule) => Scheduler;

/** The method for each kind of model. */
type Forms = { readonly [kind in ModelKind]?: Make };

/** The process that a model was trained for. A scheduler of one kind cannot use the predictions of another. */
type ModelKind = 'diffusion' | 'flow matching' | 'diffusion in continuous time';

/**
 * Every scheduler, by its class name in diffusers, as in a model's config. If the step of a class is the same for another
 * kind of model, the class also means that method: Euler's method goes from one noise level to the next along x₀ and ε,
 * whatever their mixture.
 */
export const schedulers = {
  DDIMScheduler: { diffusion: ddim, 'flow matching': flowMatchEuler },
  DDPMScheduler: { diffusion: ddpm },
  DEISMultistepScheduler: { diffusion: deis, 'flow matching': deis },
  DPMSolverMultistepScheduler: { diffusion: dpmSolverMultistep, 'flow matching': dpmSolverMultistep },
  DPMSolverSinglestepScheduler: { diffusion: dpmSolverSinglestep, 'flow matching': dpmSolverSinglestep },
  EulerAncestralDiscreteScheduler: { diffusion: eulerAncestral },
  EulerDiscreteScheduler: { diffusion: euler, 'flow matching': flowMatchEuler },
  FlowMatchEulerDiscreteScheduler: { diffusion: euler, 'flow matching': flowMatchEuler },
  FlowMatchHeunDiscreteScheduler: { diffusion: heun, 'flow matching': flowMatchHeun },
  FlowMatchLCMScheduler: { diffusion: lcm, 'flow matching': flowMatchLcm },
  HeunDiscreteScheduler: { diffusion: heun, 'flow matching': flowMatchHeun },
  // Both are Adams-Bashforth methods; over the uneven sigmas of other models only LMS has the weights for them.
  IPNDMScheduler: { diffusion: lms, 'diffusion in continuous time': ipndm },
  KDPM2AncestralDiscreteScheduler: { diffusion: kdpm2Ancestral },
  KDPM2DiscreteScheduler: { diffusion: kdpm2 },
  LCMScheduler: { diffusion: lcm, 'flow matching': flowMatchLcm },
  LMSDiscreteScheduler: { diffusion: lms },
  PNDMScheduler: { diffusion: pndm },
  TCDScheduler: { diffusion: tcd },
  UniPCMultistepScheduler: { diffusion: uniPC, 'flow matching': uniPC },
} satisfies Record<string, Forms>;

export type SchedulerName = keyof typeof schedulers;

/** The options that a user's choice of scheduler sets; all others come from the model's config. */
export interface SchedulerChoice extends SchedulerConfig {
  readonly _class_name?: SchedulerName;
}

/** Names that set only the method. */
const methods: Record<string, SchedulerChoice> = {
  DDIM: { _class_name: 'DDIMScheduler' },
  DDPM: { _class_name: 'DDPMScheduler' },
  // For a flow model the class keeps the last sigma, and its picture noise; for others it always ends above 0.
  DEIS: { _class_name: 'DEISMultistepScheduler', final_sigmas_type: 'zero' },
  LCM: { _class_name: 'LCMScheduler' },
  PNDM: { _class_name: 'PNDMScheduler' },
  TCD: { _class_name: 'TCDScheduler' },
};

/** Names that settle the spacing of sigmas too, by one of the words of `spacings` behind them. */
const spacedMethods: Record<string, SchedulerChoice> = {
  'DPM++': { _class_name: 'DPMSolverMultistepScheduler', algorithm_type: 'dpmsolver++', solver_order: 2 },
  'DPM++ 2M': { _class_name: 'DPMSolverMultistepScheduler', algorithm_type: 'dpmsolver++', solver_order: 2 },
  'DPM++ 2M SDE': { _class_name: 'DPMSolverMultistepScheduler', algorithm_type: 'sde-dpmsolver++', solver_order: 2 },
  'DPM++ 2M SDE Heun': {
    _class_name: 'DPMSolverMultistepScheduler',
    algorithm_type: 'sde-dpmsolver++',
    solver_order: 2,
    solver_type: 'heun',
  },
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
  IPNDM: { _class_name: 'IPNDMScheduler' },
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

/**
 * Names of other tools, and what they stand for among `spellings`. Those of classes without "Scheduler" and "Discrete" are
 * `classNames`.
 */
const otherNames: Readonly<Record<string, string>> = {
  PLMS: 'PNDM',
  DDIMParallel: 'DDIMScheduler',
  DDPMParallel: 'DDPMScheduler',
  // Euler's method and DPM++ 2M over the noise levels of Karras et al.: for other models than theirs, over the model's own.
  EDMEuler: 'Euler Karras',
  EDMDPMSolverMultistep: 'DPM++ 2M Karras',
  // AUTOMATIC1111's, k-diffusion's and ComfyUI's; `normalize` has taken "k_", "sample_" and "_gpu" off.
  'Euler Ancestral': 'Euler a',
  'DPM 2': 'DPM2',
  'DPM 2 a': 'DPM2 a',
  'DPM 2 Ancestral': 'DPM2 a',
  'DPM2 Ancestral': 'DPM2 a',
  'Uni PC': 'UniPC',
};

const ofSpellings = spellings.map(([spelling, choice]) => [normalize(spelling), choice] as const);

/** Each class also without the words that end its name, where that is not a name of its own. */
const classNames = (Object.keys(schedulers) as SchedulerName[]).flatMap((name) => {
  const short = name.replace(/Scheduler$/, '');
  return [short, short.replace(/Discrete$/, ''), short.replace(/Multistep$/, '')].map(
    (spelling) => [normalize(spelling), { _class_name: name }] as const,
  );
});

// Of equal spellings the last one counts: what is listed.
const choices: ReadonlyMap<string, SchedulerChoice> = new Map([
  ...classNames.filter(([spelling]) => spelling !== 'dpmsolver'),
  ...Object.entries(otherNames).flatMap(([spelling, meant]) => {
    const known = Object.keys(spacings).flatMap((word) => {
      const choice = new Map(ofSpellings).get(normalize(meant + word));
      return choice === undefined ? [] : [[normalize(spelling + word), choice] as const];
    });
    return known;
  }),
  ...ofSpellings,
]);

/** One form for what tools write differently: case, white space, `_` and `-`, `dpmpp`, the prefixes of samplers. */
function normalize(spelling: string): string {
  const words = spelling
    .trim()
    .toLowerCase()
    .split(/[\s_-]+/)
    .join(' ');
  return words
    .replace(/^(sample|k) /, '')
    .replace(/^dpmpp/, 'dpm++')
    .replace(/ gpu(?= |$)/, '')
    .replace(/(?<=.)scheduler$/, '')
    .replace(/ uniform(?= (karras|exponential|beta)$)/, '');
}

/** What a spelling of a scheduler stands for, whatever its case; `undefined` where it is unknown. */
export function resolveScheduler(spelling: string): SchedulerChoice | undefined {
  return choices.get(normalize(spelling));
}

const ofOthers = 'it is for a kind of model that is not supported';
const ofBack = 'it inverts a picture to noise';
const ofAdaptive = 'it chooses its own number of steps';

/** Names that clients may know from elsewhere and that stand for nothing here, with the reason. */
const absent: Readonly<Record<string, string>> = {
  DPMSolverMultistepInverse: ofBack,
  DDIMInverse: ofBack,
  DPMSolverSDE: 'its noise (Brownian paths) is not supported; DPM++ 2M SDE and DPM++ 3M SDE are similar',
  'DPM++ 2S a': 'the ancestral form is not supported; DPM++ 2S is the same without added noise',
  'DPM++ 2S Ancestral': 'the ancestral form is not supported; DPM++ 2S is the same without added noise',
  'DPM fast': ofAdaptive,
  'DPM adaptive': ofAdaptive,
  Restart: 'it adds noise between its steps, which is not supported',
  SASolver: 'it is not supported; DPM++ 2M SDE is similar',
  AmusedScheduler: ofOthers,
  CMStochasticIterative: ofOthers,
  CogVideoXDDIM: ofOthers,
  CogVideoXDPM: ofOthers,
  ConsistencyDecoder: ofOthers,
  CosineDPMSolverMultistep: ofOthers,
  KarrasVe: ofOthers,
  LTXEulerAncestralRF: ofOthers,
  RePaint: ofOthers,
  SCM: ofOthers,
  ScoreSdeVe: ofOthers,
  ScoreSdeVp: ofOthers,
  UnCLIP: ofOthers,
  VQDiffusion: ofOthers,
};

const reasons: ReadonlyMap<string, string> = new Map(
  Object.entries(absent).map(([spelling, reason]) => [normalize(spelling), reason]),
);

/** Message for an unknown spelling: the reason, if other programs have that scheduler, and the list. */
export function noSuchScheduler(spelling: string): string {
  const reason = reasons.get(normalize(spelling));
  const because = reason === undefined ? '' : `: ${reason}`;
  return `Unknown scheduler ${spelling.trim()}${because}. Known: ${schedulerSpellings().join(', ')}.`;
}

/**
 * The listed spellings: Runware's name and the class name of each scheduler.
 *
 * @param config - the model's, for the spellings that work with it; absent: all
 */
export function schedulerSpellings(config?: SchedulerConfig): string[] {
  const all = spellings.map(([spelling]) => spelling);
  return config === undefined ? all : all.filter((spelling) => serves(config, resolveScheduler(spelling)));
}

function serves(config: SchedulerConfig, choice: SchedulerChoice | undefined): boolean {
  if (formFor(config, choice) === undefined) return false;
  try {
    createScheduler(config, choice, 4, { mu: 1 });
    return true;
  } catch {
    return false;
  }
}

/**
 * A scheduler for one run.
 * @param config the model's `scheduler_config.json`
 * @param choice overrides class and options of the config; absent, the model's scheduler is used
 * @param steps from 1 to half the length of the training schedule, which is mostly 1000
 * @param flow the sigmas of a flow-matching model (see `isFlowModel`); other models ignore it
 * @throws Error with a sentence for the user if model, choice and steps do not match
 */
export function createScheduler(
  config: SchedulerConfig,
  choice: SchedulerChoice | undefined,
  steps: number,
  flow: FlowSchedule = {},
): Scheduler {
  const kind = kindOf(config);
  const make = formFor(config, choice);
  const merged = { ...config, ...choice, ...(kind === 'flow matching' && { prediction_type: 'flow_prediction' }) };
  const name = merged._class_name ?? 'none';
  if (!Object.hasOwn(schedulers, name)) {
    throw new Error(`The model's own scheduler is ${name}, which is not supported; name another one.`);
  }
  if (make === undefined) {
    const others = kind === undefined ? [] : schedulerSpellings(config);
    const choose = others.length === 0 ? '' : ` These work: ${others.join(', ')}.`;
    throw new Error(`${name} does not work with models of ${kind ?? 'EDM diffusion'}.${choose}`);
  }
  refuseUnsupported(merged, kind);
  // Closer together, some spacings would give two steps the same timestep.
  const most = Math.floor(trainingSteps(merged) / 2);
  if (!Number.isInteger(steps) || steps < 1 || steps > most) {
    throw new Error(`The number of steps is ${steps}, but must be a whole number from 1 to ${most}.`);
  }
  return make(merged, steps, flow);
}

/** Whether a model with this `scheduler_config.json` was trained for flow matching, so that `FlowSchedule` means something. */
export function isFlowModel(config: SchedulerConfig): boolean {
  return kindOf(config) === 'flow matching';
}

/**
 * The call that image-to-image starts at, so that the last `steps * strength` steps run; the number of calls where that
 * leaves none. `addNoise` for this call makes the first latents.
 *
 * @param partial - what becomes of the step that `steps * strength` covers in part: `dropped` (default), as in the
 *   pipelines of Stable Diffusion up to XL, or `run`, as in those of flow models
 */
export function firstCall(
  scheduler: Pick<Scheduler, 'timesteps' | 'callsPerStep'>,
  steps: number,
  strength: number,
  partial: 'dropped' | 'run' = 'dropped',
): number {
  const covered = Math.min(steps * strength, steps);
  const startStep = partial === 'run' ? Math.floor(steps - covered) : steps - Math.floor(covered);
  return startStep === steps ? scheduler.timesteps.length : startStep * scheduler.callsPerStep;
}

/** The method that a choice stands for with a model; undefined where there is none. */
function formFor(config: SchedulerConfig, choice: SchedulerChoice | undefined): Make | undefined {
  const kind = kindOf(config);
  const name = choice?._class_name ?? config._class_name ?? 'none';
  if (kind === undefined || !Object.hasOwn(schedulers, name)) return undefined;
  const forms: Forms = schedulers[name as SchedulerName];
  return forms[kind];
}

/** The kind of model that a config was written for; undefined for models that cannot be served. */
function kindOf(config: SchedulerConfig): ModelKind | undefined {
  const name = config._class_name ?? '';
  const flow = config.prediction_type === 'flow_prediction' || config.use_flow_sigmas === true;
  if (flow || name.startsWith('FlowMatch')) return 'flow matching';
  if (name.startsWith('EDM')) return undefined;
  if (name.startsWith('IPNDM')) return 'diffusion in continuous time';
  return 'diffusion';
}

/** The one value known of options that change the picture; any other is refused rather than overlooked. */
const onlyKnown = {
  invert_sigmas: false,
  interpolation_type: 'linear',
  predict_x0: true,
  sigma_max: undefined,
  sigma_min: undefined,
  thresholding: false,
  timestep_type: 'discrete',
  use_lu_lambdas: false,
};

/** Options that only the schedules of flow models read. */
const onlyOfFlow = { shift_terminal: undefined, use_dynamic_shifting: false };

function refuseUnsupported(config: SchedulerConfig, kind: ModelKind | undefined): void {
  for (const [option, known] of Object.entries(
    kind === 'flow matching' ? onlyKnown : { ...onlyKnown, ...onlyOfFlow },
  )) {
    const value = config[option] ?? known;
    if (value !== known) throw new Error(`The scheduler config sets ${option} to ${value}, which is not supported.`);
  }
}
