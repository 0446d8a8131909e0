import { shallowCalls } from '../addons/deepCache.ts';
import type { GenerateRequest } from '../messages.ts';
import { createScheduler, firstCall, resolveScheduler, type Scheduler } from '../schedulers/index.ts';

/** What is known of a model without opening it. */
export interface ModelTraits {
  /** `_class_name` of its pipeline; tells models that edit and those made for inpainting. */
  className: string;
  /** `_class_name` of its own scheduler. */
  defaultScheduler: string;
}

/** Rows (the picture, once for each branch of guidance) that a run asks of each network, over all of its calls. */
export interface RowCounts {
  unet: number;
  /** Of the UNet's outermost layers alone. */
  shallow: number;
  controlNet: number;
  encoder: number;
  decoder: number;
  /** Of the tiny decoder that makes previews. */
  preview: number;
}

/**
 * Counts what a run will ask for, from its request alone: what `planRun` settles with the model at hand. A request that the
 * run will refuse is counted somehow.
 */
export function countRows(request: GenerateRequest, { className, defaultScheduler }: ModelTraits): RowCounts {
  const { steps, guidanceScale, image, mask, deepCache, controlNets = [], refiner, previews } = request;
  const edits = /pix2pix/i.test(className);
  const inpaints = /inpaint/i.test(className);
  if (image && !edits && image.strength === 0) {
    return { unet: 0, shallow: 0, controlNet: 0, encoder: 0, decoder: 0, preview: 0 };
  }

  const scheduler = schedulerOf(request.scheduler ?? defaultScheduler, steps);
  const { callsPerStep } = scheduler;
  const calls = scheduler.timesteps.length;
  const lastStep = calls - 1 - ((calls - 1) % callsPerStep);
  const first = image && !edits ? Math.min(firstCall(scheduler, steps, image.strength), lastStep) : 0;
  const handover = refiner ? Math.min(calls, Math.max(first, refiner.startStep * callsPerStep)) : calls;
  const shallow = deepCache
    ? shallowCalls({
        interval: deepCache.interval,
        first,
        end: calls,
        callsPerStep,
        range: [deepCache.startStep * callsPerStep, deepCache.endStep * callsPerStep],
        fresh: [handover, ...controlNets.flatMap((net) => [net.startStep * callsPerStep, net.endStep * callsPerStep])],
      })
    : new Set<number>();

  const branches = guidanceScale > 1 ? (edits ? 3 : 2) : 1;
  let controlled = 0;
  for (const { startStep, endStep, mode } of controlNets) {
    // A refiner has none; and what prevails over the prompt is not shown to the branch that guidance leads away from.
    const [from, to] = [Math.max(first, startStep * callsPerStep), Math.min(handover, endStep * callsPerStep)];
    for (let call = from; call < to; call++) if (!shallow.has(call)) controlled += mode === 'controlnet' ? 1 : branches;
  }
  // From pure noise, where all is to change, the picture is read only to be kept beside the mask.
  const wholly = mask !== undefined && image?.strength === 1;
  const shown = inpaints ? 1 : 0;
  return {
    unet: (calls - first - shallow.size) * branches,
    shallow: shallow.size * branches,
    controlNet: controlled,
    encoder: shown + (image && !(inpaints && wholly) ? 1 : 0) + (edits && mask ? 1 : 0),
    decoder: 1,
    // At every N-th step, and at the last.
    preview:
      previews?.tinyDecoder === undefined
        ? 0
        : Math.ceil(Math.ceil((calls - first) / callsPerStep) / Math.max(1, Math.floor(previews.every))),
  };
}

type Calls = Pick<Scheduler, 'timesteps' | 'callsPerStep'>;

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
