import { RuntimeError } from '../errors.ts';
import type { DenoiserInput, Family } from '../families/family.ts';
import { isGuided, isGuidedByPicture } from '../families/guidance.ts';
import type { GenerateRequest, Pixels } from '../messages.ts';
import type { LatentShape } from '../run.ts';
import {
  createScheduler,
  isFlowModel,
  noSuchScheduler,
  resolveScheduler,
  type Scheduler,
  type SchedulerChoice,
} from '../schedulers/index.ts';
import { type CallPlan, planCalls } from './calls.ts';
import type { Model } from './model.ts';

/** A checked request, before anything is loaded. */
export interface Plan extends CallPlan {
  scheduler: Scheduler;
  shape: LatentShape;
  /** Whether there is an unconditional branch. */
  guided: boolean;
  input: DenoiserInput;
}

/**
 * Checks a request against its model and creates the scheduler.
 *
 * @throws RuntimeError `invalidParameter` or `unsupportedParameter`; `parameter` is a field of the request, or
 * `strength`.
 */
export function planRun(model: Model, request: GenerateRequest): Plan {
  const { width, height, steps, guidanceScale, trueGuidanceScale = 1, clipSkip = 0 } = request;
  const { family, latentScale, latentChannels: channels, input, sizeMultiple: multiple } = model.configs;
  for (const [parameter, value] of Object.entries({ width, height })) {
    if (!Number.isInteger(value) || value < multiple || value % multiple !== 0) {
      throw invalid(parameter, `${parameter} must be a multiple of ${multiple} for this model.`);
    }
  }
  if (!Number.isInteger(steps) || steps < 1) throw invalid('steps', 'steps must be a whole number, 1 or more.');
  if (!Number.isFinite(guidanceScale)) throw invalid('guidanceScale', 'guidanceScale must be a number.');
  if (!Number.isFinite(trueGuidanceScale)) throw invalid('trueGuidanceScale', 'trueGuidanceScale must be a number.');
  if (!Number.isInteger(clipSkip) || clipSkip < 0)
    throw invalid('clipSkip', 'clipSkip must be a whole number, 0 or more.');
  checkAddons(model, request);
  checkText(model, request);
  // A model with its own picture input takes no reference images.
  checkPictures(request, input, family);
  checkImagePrompts(model, request);
  checkDeepCache(request);
  checkFirstBlockCache(request);

  const scheduler = makeScheduler(model, request);
  const { refiner } = request;
  if (refiner && !(Number.isInteger(refiner.startStep) && refiner.startStep >= 1 && refiner.startStep < steps)) {
    throw invalid('refiner', `The refiner must start at a step from 1 to ${steps - 1}.`);
  }
  return {
    ...planCalls(request, scheduler, input, family.partialStep),
    scheduler,
    shape: { channels, height: height / latentScale, width: width / latentScale },
    guided: isGuided(family.guidanceRule(model.configs), request),
    input,
  };
}

/** Refuses parameters that the text encoders or the guidance of the family do not support. */
function checkText({ configs }: Model, request: GenerateRequest): void {
  const { maxSequenceLength, trueGuidanceScale } = request;
  const { family } = configs;
  for (const parameter of ['guidanceNormalization', 'guidanceTruncation'] as const) {
    const value = request[parameter];
    if (value === undefined) continue;
    if (!family.limitsGuidance) throw notTaken(family, parameter);
    if (!(value >= 0)) throw invalid(parameter, `${parameter} must be 0 or more.`);
  }
  if (trueGuidanceScale !== undefined && family.guidanceRule(configs) !== 'true scale') {
    throw notTaken(family, 'trueGuidanceScale');
  }
  if (maxSequenceLength === undefined) return;
  const { mostTextTokens: most } = family;
  if (most === undefined) throw notTaken(family, 'maxSequenceLength');
  if (!Number.isInteger(maxSequenceLength) || maxSequenceLength < 1 || maxSequenceLength > most) {
    throw invalid('maxSequenceLength', `maxSequenceLength must be a whole number from 1 to ${most} for this model.`);
  }
}

/** Refuses addons that the family does not support. */
function checkAddons({ configs: { family } }: Model, request: GenerateRequest): void {
  const asked: Record<keyof typeof family.takes, boolean> = {
    loras: (request.loras ?? []).length > 0,
    controlNets: (request.controlNets ?? []).length > 0,
    deepCache: request.deepCache !== undefined,
    firstBlockCache: request.firstBlockCache !== undefined,
    embeddings: (request.embeddings ?? []).length > 0,
    clipSkip: (request.clipSkip ?? 0) > 0,
  };
  for (const [parameter, isAsked] of Object.entries(asked) as [keyof typeof family.takes, boolean][]) {
    if (!isAsked || family.takes[parameter]) continue;
    throw notTaken(family, parameter);
  }
}

/** Checks image prompts. */
function checkImagePrompts({ configs: { family } }: Model, { imagePrompts = [] }: GenerateRequest): void {
  if (imagePrompts.length > 0 && !family.imagePrompts) throw notTaken(family, 'imagePrompts');
  const { adaptsDenoiser = false, title } = family.imagePrompts ?? {};
  const least = adaptsDenoiser ? -2 : 0;
  for (const { model: _, pictures, weight, ...options } of imagePrompts) {
    if (pictures.length === 0) throw invalid('imagePrompts', 'An image prompt needs a picture.');
    for (const { width, height, data } of pictures) {
      if (data.length === width * height * 3 && data.length > 0) continue;
      throw invalid('imagePrompts', 'The picture of an image prompt must have three bytes per pixel.');
    }
    if (!(weight >= least && weight <= 2))
      throw invalid('imagePrompts', `The weight of an image prompt for this model must be from ${least} to 2.`);
    const { weightComposition = 1 } = options;
    if (!(weightComposition >= 0 && weightComposition <= 2))
      throw invalid('imagePrompts', 'weightComposition must be from 0 to 2.');
    const [option] = Object.keys(options);
    if (option === undefined || adaptsDenoiser) continue;
    throw new RuntimeError('unsupportedParameter', `${title} takes no ${option}; IP-Adapters do.`, {
      parameter: 'imagePrompts',
    });
  }
}

function notTaken({ title }: Family, parameter: string): RuntimeError {
  return new RuntimeError('unsupportedParameter', `Models of ${title} take no ${parameter}.`, { parameter });
}

function checkFirstBlockCache({ firstBlockCache }: GenerateRequest): void {
  if (!firstBlockCache) return;
  const { threshold, most, startStep, endStep } = firstBlockCache;
  if (!(threshold >= 0)) {
    throw invalid('firstBlockCache', 'The threshold of firstBlockCache must be 0 or more.');
  }
  if (!(Number.isInteger(most) && most >= 1)) {
    throw invalid('firstBlockCache', 'firstBlockCache must skip a whole number of consecutive calls, 1 or more.');
  }
  if (!(Number.isInteger(startStep) && startStep >= 0 && Number.isInteger(endStep) && startStep < endStep)) {
    throw invalid('firstBlockCache', 'firstBlockCache must start at step 0 or later, and before its end.');
  }
}

function checkDeepCache({ deepCache }: GenerateRequest): void {
  if (!deepCache) return;
  const { interval, startStep, endStep } = deepCache;
  if (!(Number.isInteger(interval) && interval >= 1)) {
    throw invalid('deepCache', 'The interval of deepCache must be a whole number, 1 or more.');
  }
  if (!(Number.isInteger(startStep) && startStep >= 0 && Number.isInteger(endStep) && startStep < endStep)) {
    throw invalid('deepCache', 'deepCache must start at step 0 or later, and before its end.');
  }
}

/** Checks the pictures of a request against its size and the model. */
function checkPictures(request: GenerateRequest, input: DenoiserInput, family: Family): void {
  const mostReferences = input === 'latents' ? (family.mostReferences ?? 0) : 0;
  const { width, height, image, mask, imageGuidanceScale, controlNets = [], references = [] } = request;
  const fits = ({ width: w, height: h, data }: Pixels) => w === width && h === height && data.length === w * h * 3;
  if (image) {
    if (!(image.strength >= 0 && image.strength <= 1)) throw invalid('strength', 'strength must be from 0 to 1.');
    if (!fits(image.pixels)) {
      throw invalid('image', 'The seed image must have the size of the result and three bytes per pixel.');
    }
  } else if (input === 'edit') {
    throw invalid('image', 'This model edits pictures and needs a seed image.');
  }
  if (mask) {
    if (!image) throw invalid('mask', 'A mask needs a seed image.');
    if (mask.length !== width * height) throw invalid('mask', 'The mask must have one byte per pixel.');
  }
  if (imageGuidanceScale !== undefined) {
    if (!isGuidedByPicture(input, family)) {
      const message = 'Only models with image guidance take imageGuidanceScale.';
      throw new RuntimeError('unsupportedParameter', message, { parameter: 'imageGuidanceScale' });
    }
    if (!(imageGuidanceScale >= 0)) throw invalid('imageGuidanceScale', 'imageGuidanceScale must be 0 or more.');
  }
  if (references.length > mostReferences) {
    const most =
      mostReferences === 0
        ? 'This model takes no reference images'
        : `This model takes at most ${mostReferences} reference images`;
    throw new RuntimeError(mostReferences === 0 ? 'unsupportedParameter' : 'invalidParameter', `${most}.`, {
      parameter: 'references',
    });
  }
  for (const { width: w, height: h, data } of references) {
    if (data.length !== w * h * 3) throw invalid('references', 'A reference image must have three bytes per pixel.');
  }
  for (const { pixels, startStep, endStep } of controlNets) {
    if (!fits(pixels)) {
      throw invalid('controlNets', 'A guide image must have the size of the result and three bytes per pixel.');
    }
    if (!(startStep >= 0 && startStep < endStep)) {
      throw invalid('controlNets', 'A ControlNet must start at step 0 or later, and before its end.');
    }
  }
}

function makeScheduler(model: Model, request: GenerateRequest): Scheduler {
  const { scheduler: spelling, steps, shift } = request;
  if (shift !== undefined && !isFlowModel(model.configs.configs.scheduler)) {
    throw new RuntimeError('unsupportedParameter', 'Only flow-matching models take shift.', { parameter: 'shift' });
  }
  if (shift !== undefined && !(Number.isFinite(shift) && shift > 0)) throw invalid('shift', 'shift must be above 0.');
  const choice = spelling === undefined ? undefined : resolveScheduler(spelling);
  if (spelling !== undefined && !choice) {
    throw unsupported(noSuchScheduler(spelling));
  }
  const { family, configs } = model.configs;
  try {
    return createScheduler(configs.scheduler, choice, steps, { ...family.sigmas?.(model.configs, request), shift });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (takesOtherSteps(model, choice)) throw invalid('steps', message);
    throw unsupported(message, error);
  }
}

/** Distinguishes a wrong number of steps from a wrong scheduler; both are errors with only a message. */
function takesOtherSteps(model: Model, choice: SchedulerChoice | undefined): boolean {
  try {
    createScheduler(model.configs.configs.scheduler, choice, 20);
    return true;
  } catch {
    return false;
  }
}

function unsupported(message: string, cause?: unknown): RuntimeError {
  return new RuntimeError('unsupportedParameter', message, { parameter: 'scheduler', cause });
}

function invalid(parameter: string, message: string): RuntimeError {
  return new RuntimeError('invalidParameter', message, { parameter });
}
