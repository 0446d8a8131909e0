import { RuntimeError } from '../errors.ts';
import type { GenerateRequest } from '../messages.ts';
import {
  createScheduler,
  firstCall,
  resolveScheduler,
  type Scheduler,
  type SchedulerChoice,
  schedulerSpellings,
} from '../schedulers/index.ts';
import { countSteps } from './denoise.ts';
import type { Model } from './model.ts';
import type { LatentShape } from './run.ts';

/** A checked request: what a run will do, before anything heavy is loaded. */
export interface Plan {
  scheduler: Scheduler;
  /** The scheduler's call to begin with. */
  first: number;
  /** Steps that will be told; 0 where the seed image is returned as it is. */
  steps: number;
  shape: LatentShape;
  clipSkip: number;
  /** Whether a second branch leads away from the negative prompt. */
  guided: boolean;
}

/**
 * Checks what only the model knows and makes the run's scheduler.
 *
 * Image-to-image runs the last `floor(steps * strength)` steps, but at least one. At a strength of 0 the seed image is
 * the result, unchanged and without a step.
 *
 * @throws RuntimeError `invalidParameter` or `unsupportedParameter`; `parameter` is a field of the request, or `strength`.
 */
export function planRun(model: Model, request: GenerateRequest): Plan {
  const { width, height, steps, guidanceScale, image, clipSkip = 0 } = request;
  const multiple = model.configs.vaeScale;
  const { unet } = model.configs;
  for (const [parameter, value] of Object.entries({ width, height })) {
    if (!Number.isInteger(value) || value < multiple || value % multiple !== 0) {
      throw invalid(parameter, `${parameter} must be a multiple of ${multiple} for this model.`);
    }
  }
  if (!Number.isInteger(steps) || steps < 1) throw invalid('steps', 'steps must be a whole number, 1 or more.');
  if (!Number.isFinite(guidanceScale)) throw invalid('guidanceScale', 'guidanceScale must be a number.');
  if (!Number.isInteger(clipSkip) || clipSkip < 0)
    throw invalid('clipSkip', 'clipSkip must be a whole number, 0 or more.');
  if (image) {
    if (!(image.strength >= 0 && image.strength <= 1)) throw invalid('strength', 'strength must lie between 0 and 1.');
    const { pixels } = image;
    if (pixels.width !== width || pixels.height !== height || pixels.data.length !== width * height * 3) {
      throw invalid('image', 'The seed image must have the size of the result, three bytes a pixel.');
    }
  }

  const channels = numberOr(unet.out_channels, 4);
  if (numberOr(unet.in_channels, channels) !== channels) {
    throw new RuntimeError(
      'modelUnavailable',
      `The UNet takes ${unet.in_channels} channels; only models of ${channels} are supported.`,
    );
  }
  const scheduler = makeScheduler(model, request);
  let first = 0;
  if (image) {
    const lastStep = scheduler.timesteps.length - 1 - ((scheduler.timesteps.length - 1) % scheduler.callsPerStep);
    first = Math.min(firstCall(scheduler, steps, image.strength), lastStep);
  }
  return {
    scheduler,
    first,
    steps: image?.strength === 0 ? 0 : countSteps(scheduler, first),
    shape: { channels, height: height / multiple, width: width / multiple },
    clipSkip,
    // Models distilled with an embedding of the guidance scale take it as an input instead of as a second branch.
    guided: guidanceScale > 1 && !unet.time_cond_proj_dim,
  };
}

function makeScheduler(model: Model, request: GenerateRequest): Scheduler {
  const { scheduler: spelling, steps } = request;
  const choice = spelling === undefined ? undefined : resolveScheduler(spelling);
  if (spelling !== undefined && !choice) {
    throw unsupported(`Unknown scheduler; there is: ${schedulerSpellings().join(', ')}.`);
  }
  try {
    return createScheduler(model.configs.scheduler, choice, steps);
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
