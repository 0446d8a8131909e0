import { shallowCalls } from '../addons/deepCache.ts';
import type { UNetInput } from '../checkpoints/configs.ts';
import { RuntimeError } from '../errors.ts';
import type { GenerateRequest, Pixels } from '../messages.ts';
import type { LatentShape } from '../run.ts';
import {
  createScheduler,
  firstCall,
  isFlowModel,
  noSuchScheduler,
  resolveScheduler,
  type Scheduler,
  type SchedulerChoice,
} from '../schedulers/index.ts';
import { countSteps } from './denoise.ts';
import type { Model } from './model.ts';

/** A checked request: what a run will do, before anything heavy is loaded. */
export interface Plan {
  scheduler: Scheduler;
  /** The scheduler's call to begin with. */
  first: number;
  /** The call at which the refiner takes over; the number of calls where there is none. */
  handover: number;
  /** Steps that will be told; 0 where the seed image is returned as it is. */
  steps: number;
  shape: LatentShape;
  clipSkip: number;
  /** Whether a second branch leads away from the negative prompt. */
  guided: boolean;
  takes: UNetInput;
  /** Calls in which only the outermost layers of the UNet run. */
  shallow: ReadonlySet<number>;
}

/**
 * Checks what only the model knows and makes the run's scheduler.
 *
 * Image-to-image runs the last `floor(steps * strength)` steps, but at least one. At a strength of 0 the seed image is
 * the result, unchanged and without a step. A model that edits runs all steps whatever the strength, which it has not.
 *
 * @throws RuntimeError `invalidParameter` or `unsupportedParameter`; `parameter` is a field of the request, or `strength`.
 */
export function planRun(model: Model, request: GenerateRequest): Plan {
  const { width, height, steps, guidanceScale, image, clipSkip = 0 } = request;
  const { unet, vaeScale, unetInput: takes } = model.configs;
  for (const [parameter, value] of Object.entries({ width, height })) {
    if (!Number.isInteger(value) || value < vaeScale || value % vaeScale !== 0) {
      throw invalid(parameter, `${parameter} must be a multiple of ${vaeScale} for this model.`);
    }
  }
  if (!Number.isInteger(steps) || steps < 1) throw invalid('steps', 'steps must be a whole number, 1 or more.');
  if (!Number.isFinite(guidanceScale)) throw invalid('guidanceScale', 'guidanceScale must be a number.');
  if (!Number.isInteger(clipSkip) || clipSkip < 0)
    throw invalid('clipSkip', 'clipSkip must be a whole number, 0 or more.');
  const channels = numberOr(unet.out_channels, 4);
  checkPictures(request, takes);

  const scheduler = makeScheduler(model, request);
  const calls = scheduler.timesteps.length;
  const starts = image !== undefined && takes !== 'edit';
  let first = 0;
  if (starts) {
    const lastStep = calls - 1 - ((calls - 1) % scheduler.callsPerStep);
    first = Math.min(firstCall(scheduler, steps, image.strength), lastStep);
  }
  const { refiner } = request;
  if (refiner && !(Number.isInteger(refiner.startStep) && refiner.startStep >= 1 && refiner.startStep < steps)) {
    throw invalid('refiner', `The refiner can begin at a step from 1 to ${steps - 1}.`);
  }
  const handover = refiner ? Math.min(calls, Math.max(first, refiner.startStep * scheduler.callsPerStep)) : calls;
  return {
    scheduler,
    first,
    handover,
    steps: starts && image.strength === 0 ? 0 : countSteps(scheduler, first),
    shape: { channels, height: height / vaeScale, width: width / vaeScale },
    clipSkip,
    // Models distilled with an embedding of the guidance scale take it as an input instead of as a second branch.
    guided: guidanceScale > 1 && !unet.time_cond_proj_dim,
    takes,
    shallow: planShallow(request, scheduler, first, handover),
  };
}

function planShallow(
  { deepCache, controlNets = [] }: GenerateRequest,
  { timesteps, callsPerStep }: Scheduler,
  first: number,
  handover: number,
): ReadonlySet<number> {
  if (!deepCache) return new Set();
  const { interval, startStep, endStep } = deepCache;
  if (!(Number.isInteger(interval) && interval >= 1)) {
    throw invalid('deepCache', 'The interval of deepCache must be a whole number, 1 or more.');
  }
  if (!(Number.isInteger(startStep) && startStep >= 0 && Number.isInteger(endStep) && startStep < endStep)) {
    throw invalid('deepCache', 'deepCache must begin at a step, from 0, that lies before the one it ends at.');
  }
  return shallowCalls({
    interval,
    first,
    end: timesteps.length,
    callsPerStep,
    range: [startStep * callsPerStep, endStep * callsPerStep],
    // Another network knows nothing of what this one kept; and ControlNets act on deep layers above all.
    fresh: [handover, ...controlNets.flatMap((net) => [net.startStep * callsPerStep, net.endStep * callsPerStep])],
  });
}

/** Checks the pictures of a request against its size and against what the model can do with them. */
function checkPictures(request: GenerateRequest, takes: UNetInput): void {
  const { width, height, image, mask, imageGuidanceScale, controlNets = [] } = request;
  const fits = ({ width: w, height: h, data }: Pixels) => w === width && h === height && data.length === w * h * 3;
  if (image) {
    if (!(image.strength >= 0 && image.strength <= 1)) throw invalid('strength', 'strength must lie between 0 and 1.');
    if (!fits(image.pixels)) {
      throw invalid('image', 'The seed image must have the size of the result, three bytes a pixel.');
    }
  } else if (takes === 'edit') {
    throw invalid('image', 'This model edits a picture, so it needs a seed image.');
  }
  if (mask) {
    if (!image) throw invalid('mask', 'A mask needs a seed image.');
    if (mask.length !== width * height) throw invalid('mask', 'The mask must have one byte for each pixel.');
  }
  if (imageGuidanceScale !== undefined) {
    if (takes !== 'edit') {
      throw new RuntimeError('unsupportedParameter', 'Only models that edit a picture take imageGuidanceScale.', {
        parameter: 'imageGuidanceScale',
      });
    }
    if (!(imageGuidanceScale >= 0)) throw invalid('imageGuidanceScale', 'imageGuidanceScale must be 0 or more.');
  }
  for (const { pixels, startStep, endStep } of controlNets) {
    if (!fits(pixels)) {
      throw invalid('controlNets', 'A guide image must have the size of the result, three bytes a pixel.');
    }
    if (!(startStep >= 0 && startStep < endStep)) {
      throw invalid('controlNets', 'A ControlNet must begin at a step, from 0, that lies before the one it ends at.');
    }
  }
}

function makeScheduler(model: Model, request: GenerateRequest): Scheduler {
  const { scheduler: spelling, steps, shift } = request;
  if (shift !== undefined && !isFlowModel(model.configs.scheduler)) {
    throw new RuntimeError('unsupportedParameter', 'Only flow-matching models take shift.', { parameter: 'shift' });
  }
  if (shift !== undefined && !(Number.isFinite(shift) && shift > 0)) throw invalid('shift', 'shift must be above 0.');
  const choice = spelling === undefined ? undefined : resolveScheduler(spelling);
  if (spelling !== undefined && !choice) {
    throw unsupported(noSuchScheduler(spelling));
  }
  try {
    return createScheduler(model.configs.scheduler, choice, steps, { shift });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (takesOtherSteps(model, choice)) throw invalid('steps', message);
    throw unsupported(message, error);
  }
}

/** Tells a number of steps that does not fit from a scheduler that does not; either is told by one sentence only. */
function takesOtherSteps(model: Model, choice: SchedulerChoice | undefined): boolean {
  try {
    createScheduler(model.configs.scheduler, choice, 20);
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

function numberOr(value: unknown, fallback: number): number {
  return typeof value === 'number' ? value : fallback;
}
