import { shallowCalls } from '../addons/deepCache.ts';
import type { DenoiserInput, GuidanceRule } from '../families/family.ts';
import { isGuided, isGuidedByPicture } from '../families/guidance.ts';
import { familyNamed } from '../families/index.ts';
import type { GenerateRequest } from '../messages.ts';
import { createScheduler, firstCall, resolveScheduler, type Scheduler } from '../schedulers/index.ts';

type Calls = Pick<Scheduler, 'timesteps' | 'callsPerStep'>;

/** The denoiser calls of a run, numbered by the scheduler. */
export interface CallPlan {
  /** The first call. */
  first: number;
  /** The refiner's first call; the number of calls without one. */
  handover: number;
  /** Shallow calls, of only the outermost layers. */
  shallow: ReadonlySet<number>;
  /** Reported steps; 0 if the seed image is returned unchanged. */
  steps: number;
}

/**
 * Plans the calls of a run; the run and its cost in the queue use the same plan.
 *
 * Image-to-image runs the last steps of the schedule by its strength, but at least one. At strength 0 the seed image is
 * returned unchanged without a step. A model that edits runs all steps, whatever the strength.
 *
 * @param partialStep - see `firstCall`
 */
export function planCalls(
  request: GenerateRequest,
  scheduler: Calls,
  input: DenoiserInput,
  partialStep?: 'dropped' | 'run',
): CallPlan {
  const { steps, image, deepCache, controlNets = [], refiner } = request;
  const { callsPerStep } = scheduler;
  const calls = scheduler.timesteps.length;
  const starts = image !== undefined && input !== 'edit';
  const lastStep = calls - 1 - ((calls - 1) % callsPerStep);
  const first = starts ? Math.min(firstCall(scheduler, steps, image.strength, partialStep), lastStep) : 0;
  const handover = refiner ? Math.min(calls, Math.max(first, refiner.startStep * callsPerStep)) : calls;
  const shallow = deepCache
    ? shallowCalls({
        interval: deepCache.interval,
        first,
        end: calls,
        callsPerStep,
        range: [deepCache.startStep * callsPerStep, deepCache.endStep * callsPerStep],
        // The refiner has no cached features, and ControlNets act mainly on deep layers.
        fresh: [handover, ...controlNets.flatMap((net) => [net.startStep * callsPerStep, net.endStep * callsPerStep])],
      })
    : new Set<number>();
  return {
    first,
    handover,
    shallow,
    steps: starts && image.strength === 0 ? 0 : Math.ceil((calls - first) / callsPerStep),
  };
}

/** Facts about a model without opening it. */
export interface ModelTraits {
  /** Name of its family. */
  family: string;
  /** Further inputs of its denoiser beside the text. */
  input: DenoiserInput;
  guidanceRule: GuidanceRule;
  /** `_class_name` of its scheduler. */
  defaultScheduler: string;
}

/** Rows (the picture, once per guidance branch) of each network over all calls of a run. */
export interface RowCounts {
  denoiser: number;
  /** Rows of the shallow denoiser. */
  shallow: number;
  controlNet: number;
  encoder: number;
  decoder: number;
  /** Rows of the tiny decoder for previews. */
  preview: number;
  /** Pictures that encoders of image prompts are shown. */
  imagePrompt: number;
}

/** Rows that a call of the denoiser has for one picture: the prompt, and what guidance sets against it. */
export function branchesOf(
  request: GenerateRequest,
  { family, input, guidanceRule }: Pick<ModelTraits, 'family' | 'input' | 'guidanceRule'>,
): number {
  if (!isGuided(guidanceRule, request)) return 1;
  // Editing with two scales has a third branch, without prompt and picture.
  return isGuidedByPicture(input, familyNamed(family)) ? 3 : 2;
}

const noRows: RowCounts = {
  denoiser: 0,
  shallow: 0,
  controlNet: 0,
  encoder: 0,
  decoder: 0,
  preview: 0,
  imagePrompt: 0,
};

/** Counts the rows of a run from its request. The count for an invalid request does not matter. */
export function countRows(request: GenerateRequest, traits: ModelTraits): RowCounts {
  const { steps, image, mask, controlNets = [], references = [], imagePrompts = [], previews } = request;
  const { input } = traits;
  const scheduler = schedulerOf(request.scheduler ?? traits.defaultScheduler, steps);
  const { callsPerStep } = scheduler;
  const family = familyNamed(traits.family);
  const plan = planCalls(request, scheduler, input, family?.partialStep);
  if (plan.steps === 0) return noRows;
  const { first, handover, shallow } = plan;
  const calls = scheduler.timesteps.length;

  const branches = branchesOf(request, traits);
  let controlled = 0;
  for (const { startStep, endStep, mode } of controlNets) {
    // The refiner has no ControlNets, and with a preference for the guide image the unconditional branch does not use
    // them.
    const [from, to] = [Math.max(first, startStep * callsPerStep), Math.min(handover, endStep * callsPerStep)];
    for (let call = from; call < to; call++) if (!shallow.has(call)) controlled += mode === 'controlnet' ? 1 : branches;
  }
  // From pure noise the picture is encoded only for the area outside the mask.
  const wholly = mask !== undefined && image?.strength === 1;
  const shown = input === 'inpaint' ? 1 : 0;
  return {
    denoiser: (calls - first - shallow.size) * branches,
    shallow: shallow.size * branches,
    controlNet: controlled,
    encoder:
      shown +
      (image && !(input === 'inpaint' && wholly) ? 1 : 0) +
      (input === 'edit' && mask ? 1 : 0) +
      references.length +
      (family?.controls?.inLatents ? controlNets.length : 0),
    decoder: 1,
    imagePrompt: imagePrompts.reduce((sum, { pictures }) => sum + pictures.length, 0),
    // After every N-th step and the last.
    preview:
      previews?.tinyDecoder === undefined
        ? 0
        : Math.ceil(Math.ceil((calls - first) / callsPerStep) / Math.max(1, Math.floor(previews.every))),
  };
}

function schedulerOf(spelling: string, steps: number): Calls {
  const choice = resolveScheduler(spelling);
  const plain: Calls = { timesteps: Array.from({ length: steps }, () => 0), callsPerStep: 1 };
  if (choice === undefined) return plain;
  try {
    return createScheduler({}, choice, steps);
  } catch {
    return plain;
  }
}
