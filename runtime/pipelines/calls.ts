import { shallowCalls } from '../addons/deepCache.ts';
import type { DenoiserInput, GuidanceRule } from '../families/family.ts';
import { isGuided, isGuidedByPicture } from '../families/guidance.ts';
import { familyNamed } from '../families/index.ts';
import type { GenerateRequest } from '../messages.ts';
import { createScheduler, firstCall, resolveScheduler, type Scheduler } from '../schedulers/index.ts';

type Calls = Pick<Scheduler, 'timesteps' | 'callsPerStep'>;

/** Which calls of the denoiser a run makes, numbered by the scheduler. */
export interface CallPlan {
  /** The call to begin with. */
  first: number;
  /** The call at which the refiner takes over; the number of calls where there is none. */
  handover: number;
  /** Calls in which only the outermost layers of the denoiser run. */
  shallow: ReadonlySet<number>;
  /** Steps that are told; 0 where the seed image is returned as it is. */
  steps: number;
}

/**
 * Settles the calls of a run; the run and what it costs in the queue both go by it.
 *
 * Image-to-image runs the last steps, as many as the strength asks for, but at least one. At a strength of 0 the seed image
 * is the result, unchanged and without a step. A model that edits runs all steps, whatever the strength.
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
        // Another network knows nothing of what this one kept; and ControlNets act on deep layers above all.
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

/** What is known of a model without opening it. */
export interface ModelTraits {
  /** Name of its family. */
  family: string;
  /** What its denoiser is given beside the text. */
  input: DenoiserInput;
  guidanceRule: GuidanceRule;
  /** `_class_name` of its own scheduler. */
  defaultScheduler: string;
}

/** Rows (the picture, once for each branch of guidance) that a run asks of each network, over all of its calls. */
export interface RowCounts {
  denoiser: number;
  /** Of the denoiser's outermost layers alone. */
  shallow: number;
  controlNet: number;
  encoder: number;
  decoder: number;
  /** Of the tiny decoder that makes previews. */
  preview: number;
}

/** Rows that a call of the denoiser has for one picture: the prompt, and what guidance sets against it. */
export function branchesOf(
  request: GenerateRequest,
  { family, input, guidanceRule }: Pick<ModelTraits, 'family' | 'input' | 'guidanceRule'>,
): number {
  if (!isGuided(guidanceRule, request)) return 1;
  // Editing by two scales has a third branch, which sees neither prompt nor picture.
  return isGuidedByPicture(input, familyNamed(family)) ? 3 : 2;
}

/** Counts the rows that a run asks for, from its request alone. A request that the run will refuse is counted somehow. */
export function countRows(request: GenerateRequest, traits: ModelTraits): RowCounts {
  const { steps, image, mask, controlNets = [], references = [], previews } = request;
  const { input } = traits;
  const scheduler = schedulerOf(request.scheduler ?? traits.defaultScheduler, steps);
  const { callsPerStep } = scheduler;
  const family = familyNamed(traits.family);
  const plan = planCalls(request, scheduler, input, family?.partialStep);
  if (plan.steps === 0) return { denoiser: 0, shallow: 0, controlNet: 0, encoder: 0, decoder: 0, preview: 0 };
  const { first, handover, shallow } = plan;
  const calls = scheduler.timesteps.length;

  const branches = branchesOf(request, traits);
  let controlled = 0;
  for (const { startStep, endStep, mode } of controlNets) {
    // A refiner has none; and what prevails over the prompt is not shown to the unconditional branch.
    const [from, to] = [Math.max(first, startStep * callsPerStep), Math.min(handover, endStep * callsPerStep)];
    for (let call = from; call < to; call++) if (!shallow.has(call)) controlled += mode === 'controlnet' ? 1 : branches;
  }
  // From pure noise, where all is to change, the picture is read only to be kept beside the mask.
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
    // At every N-th step, and at the last.
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
