import { ddim } from './ddim.js';
import { ddpm } from './ddpm.js';
import { deis } from './deis.js';
import { dpmSolverMultistep } from './dpmSolverMultistep.js';
import { dpmSolverSinglestep } from './dpmSolverSinglestep.js';
import { euler } from './euler.js';
import { eulerAncestral } from './eulerAncestral.js';
import { flowMatchEuler, flowMatchHeun, flowMatchLcm } from './flowMatchEuler.js';
import { heun } from './heun.js';
import { ipndm } from './ipndm.js';
import { kdpm2 } from './kdpm2.js';
import { kdpm2Ancestral } from './kdpm2Ancestral.js';
import { lcm } from './lcm.js';
import { lms } from './lms.js';
import { trainingSteps } from './noiseSchedule.js';
import { pndm } from './pndm.js';
import { tcd } from './tcd.js';
import { uniPC } from './uniPC.js';
/**
 * Every scheduler, by the name of its class in diffusers, which is what a model's config says. Where a class of diffusers
 * serves one kind of model only, and its step is the same step for another kind, it stands for that: Euler's method leads
 * from one level to the next along x₀ and ε, however the two are mixed.
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
};
/** Names that settle only the method. */
const methods = {
  DDIM: { _class_name: 'DDIMScheduler' },
  DDPM: { _class_name: 'DDPMScheduler' },
  // For a flow model the class keeps the last sigma, and its picture noise; for others it always ends above 0.
  DEIS: { _class_name: 'DEISMultistepScheduler', final_sigmas_type: 'zero' },
  LCM: { _class_name: 'LCMScheduler' },
  PNDM: { _class_name: 'PNDMScheduler' },
  TCD: { _class_name: 'TCDScheduler' },
};
/** Names that settle the spacing of sigmas too, by one of the words of `spacings` behind them. */
const spacedMethods = {
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
const spacings = {
  '': uniform,
  ' Uniform': uniform,
  ' Karras': { ...uniform, use_karras_sigmas: true },
  ' Exponential': { ...uniform, use_exponential_sigmas: true },
  ' Beta': { ...uniform, use_beta_sigmas: true },
};
/** Every spelling as it is listed, with what it stands for. */
const spellings = [
  ['Default', {}],
  ...Object.entries(methods),
  ...Object.entries(spacedMethods).flatMap(([method, choice]) =>
    Object.entries(spacings).map(([word, spacing]) => [method + word, { ...choice, ...spacing }]),
  ),
  // A class leaves options to the model's config, as loading that class with the config does in diffusers.
  ...Object.keys(schedulers).map((name) => [name, { _class_name: name }]),
];
/**
 * Names of other tools, and what they stand for among `spellings`. Those of classes without "Scheduler" and "Discrete" are
 * `classNames`.
 */
const otherNames = {
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
const ofSpellings = spellings.map(([spelling, choice]) => [normalize(spelling), choice]);
/** Each class also without the words that end its name, where that is not a name of its own. */
const classNames = Object.keys(schedulers).flatMap((name) => {
  const short = name.replace(/Scheduler$/, '');
  return [short, short.replace(/Discrete$/, ''), short.replace(/Multistep$/, '')].map((spelling) => [
    normalize(spelling),
    { _class_name: name },
  ]);
});
// Of equal spellings the last one counts: what is listed.
const choices = new Map([
  ...classNames.filter(([spelling]) => spelling !== 'dpmsolver'),
  ...Object.entries(otherNames).flatMap(([spelling, meant]) => {
    const known = Object.keys(spacings).flatMap((word) => {
      const choice = new Map(ofSpellings).get(normalize(meant + word));
      return choice === undefined ? [] : [[normalize(spelling + word), choice]];
    });
    return known;
  }),
  ...ofSpellings,
]);
/** One form for what tools write differently: case, white space, `_` and `-`, `dpmpp`, the prefixes of samplers. */
function normalize(spelling) {
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
export function resolveScheduler(spelling) {
  return choices.get(normalize(spelling));
}
const ofOthers = 'it is for models of another kind, and none of those can be loaded';
const ofBack = 'it leads from a picture back to noise, so it draws nothing';
const ofAdaptive = 'it chooses its own number of steps';
/** Names that clients may know from elsewhere and that stand for nothing here, with the reason. */
const absent = {
  DPMSolverMultistepInverse: ofBack,
  DDIMInverse: ofBack,
  DPMSolverSDE: 'its noise (Brownian paths) is not available; DPM++ 2M SDE and DPM++ 3M SDE are near',
  'DPM++ 2S a': 'the form with added noise is not available; DPM++ 2S is the same without',
  'DPM++ 2S Ancestral': 'the form with added noise is not available; DPM++ 2S is the same without',
  'DPM fast': ofAdaptive,
  'DPM adaptive': ofAdaptive,
  Restart: 'it goes back to noise between its steps, which is not available',
  SASolver: 'it is not available; DPM++ 2M SDE is near',
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
const reasons = new Map(Object.entries(absent).map(([spelling, reason]) => [normalize(spelling), reason]));
/** What to tell a user whose spelling stands for nothing: the reason, where it is a name known from elsewhere, and the list. */
export function noSuchScheduler(spelling) {
  const reason = reasons.get(normalize(spelling));
  const because = reason === undefined ? '' : `: ${reason}`;
  return `There is no scheduler ${spelling.trim()}${because}. There are: ${schedulerSpellings().join(', ')}.`;
}
/**
 * The spellings that are listed: of each scheduler its name in Runware's words and that of its class.
 *
 * @param config - the model's, for those that serve it; absent: all
 */
export function schedulerSpellings(config) {
  const all = spellings.map(([spelling]) => spelling);
  return config === undefined ? all : all.filter((spelling) => serves(config, resolveScheduler(spelling)));
}
function serves(config, choice) {
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
 * @param choice settles class and options over the config's; absent, the model's own scheduler is used
 * @param steps from 1 to half the length of the training schedule, which is mostly 1000
 * @param flow the sigmas of a flow model (see `isFlowModel`); other models have no use for it
 * @throws Error with a sentence for the user, where model, choice and steps do not fit together
 */
export function createScheduler(config, choice, steps, flow = {}) {
  const kind = kindOf(config);
  const make = formFor(config, choice);
  const merged = { ...config, ...choice, ...(kind === 'flow matching' && { prediction_type: 'flow_prediction' }) };
  const name = merged._class_name ?? 'none';
  if (!Object.hasOwn(schedulers, name)) {
    throw new Error(`The model's own scheduler is ${name}, which is not available; choose another one by name.`);
  }
  if (make === undefined) {
    const others = kind === undefined ? [] : schedulerSpellings(config);
    const choose = others.length === 0 ? '' : ` These serve it: ${others.join(', ')}.`;
    throw new Error(`${name} cannot serve this model, which is one of ${kind ?? 'EDM diffusion'}.${choose}`);
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
export function isFlowModel(config) {
  return kindOf(config) === 'flow matching';
}
/**
 * The call that image-to-image starts at, so that the last `steps * strength` steps run; the number of calls where that
 * leaves none. `addNoise` for this call makes the first latents.
 *
 * @param partial - what becomes of the step that `steps * strength` covers in part: `dropped` (default), as in the
 *   pipelines of Stable Diffusion up to XL, or `run`, as in those of flow models
 */
export function firstCall(scheduler, steps, strength, partial = 'dropped') {
  const covered = Math.min(steps * strength, steps);
  const startStep = partial === 'run' ? Math.floor(steps - covered) : steps - Math.floor(covered);
  return startStep === steps ? scheduler.timesteps.length : startStep * scheduler.callsPerStep;
}
/** The method that a choice stands for with a model; undefined where there is none. */
function formFor(config, choice) {
  const kind = kindOf(config);
  const name = choice?._class_name ?? config._class_name ?? 'none';
  if (kind === undefined || !Object.hasOwn(schedulers, name)) return undefined;
  const forms = schedulers[name];
  return forms[kind];
}
/** The kind of model that a config was written for; undefined for models that cannot be served. */
function kindOf(config) {
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
function refuseUnsupported(config, kind) {
  for (const [option, known] of Object.entries(
    kind === 'flow matching' ? onlyKnown : { ...onlyKnown, ...onlyOfFlow },
  )) {
    const value = config[option] ?? known;
    if (value !== known) throw new Error(`The scheduler config sets ${option} to ${value}, which is not supported.`);
  }
}
//# sourceMappingURL=index.js.map
