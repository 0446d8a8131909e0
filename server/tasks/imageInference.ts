import { randomInt } from 'node:crypto';
import { unionModes } from '../../protocol/companions.ts';
import { parameterCode, TaskError } from '../../protocol/errors.ts';
import type { PreviewOptions } from '../../protocol/previews.ts';
import type { MayWarn, Warning } from '../../protocol/replies.ts';
import type { Size } from '../../protocol/sizes.ts';
import { stepRange } from '../../protocol/steps.ts';
import type { ImageInferenceTask } from '../../protocol/tasks/imageInference.ts';
import {
  type ControlNetRequest,
  type DeepCacheRequest,
  type FirstBlockCacheRequest,
  type GenerateRequest,
  type ImagePromptRequest,
  type ModelDescription,
  noSuchScheduler,
  resolveScheduler,
  schedulerSpellings,
} from '../../runtime/index.ts';
import { chosenOf, findTaskModels, findTinyDecoder } from '../catalog/taskModels.ts';
import type { Context } from '../context.ts';
import type { Caller } from '../lifecycle/caller.ts';
import type { PreparedRun, PreparedRuns } from '../lifecycle/job.ts';
import { makeResults } from '../lifecycle/life.ts';
import { readPictures, type TaskPictures } from '../lifecycle/pictures.ts';
import { imageOptionsOf, recipeOf } from '../lifecycle/recipe.ts';

/** The plan of a task, common to all its results. */
interface Plan {
  /** Id of its model in the catalog. */
  air: string;
  model: ModelDescription;
  /** Of the picture; undefined: as its first reference, which is still to be read. */
  size: Size | undefined;
  /** All but the size, the seed and the pictures. */
  request: Omit<
    GenerateRequest,
    'width' | 'height' | 'seed' | 'image' | 'mask' | 'controlNets' | 'references' | 'imagePrompts'
  >;
  /** Strength of image-to-image. */
  strength: number;
  /** ControlNets without guide images, in the order of the task. */
  controlNets: Omit<ControlNetRequest, 'pixels'>[];
  imagePrompts: Omit<ImagePromptRequest, 'pictures'>[];
  /** Seed of result 0; result k has seed + k, modulo 2^64. */
  seed: bigint;
  previews: PreviewOptions | false;
  progress: boolean;
  /** Warnings for options that the model lacks and that change only the time. */
  warnings: Warning[];
}

/** Generates images from text, or from text and pictures. */
export function imageInference(task: ImageInferenceTask & MayWarn, caller: Caller, context: Context): Promise<void> {
  return makeResults(task, caller, context, async () => {
    const plan = await planTask(task, caller, context);
    return {
      ...plan,
      steps: plan.request.steps,
      settings: settingsOf(task, plan),
      prepare: (signal) => prepare(task, plan, signal, caller, context),
    };
  });
}

/** Reads the pictures of the task. */
async function prepare(
  task: ImageInferenceTask,
  plan: Plan,
  signal: AbortSignal,
  caller: Caller,
  context: Context,
): Promise<PreparedRuns> {
  const { air, model } = plan;
  const pictures = await readPictures(task, plan.size, model, signal, caller, context);
  const { canvas, size } = pictures;
  const common = withPictures(plan, pictures);
  const runs = Array.from({ length: task.numberResults }, (_, index): PreparedRun => {
    // Every returned seed must be a valid parameter.
    const request = { ...common, seed: BigInt.asUintN(64, plan.seed + BigInt(index)) };
    return {
      request,
      origin: { seed: request.seed },
      finish: async (pixels) => (canvas === undefined ? pixels : await canvas.finish(pixels)),
      recipe: () => recipeOf(task, { air, defaultScheduler: model.defaultScheduler, request }),
    };
  });
  return { settings: settingsOf(task, { ...plan, size }), runs };
}

/** Without a prompt there is no unconditional branch; a scale that is an input of the denoiser stays. */
function guidanceScaleOf({ isBlank, CFGScale }: ImageInferenceTask, model: ModelDescription): number {
  const asked = CFGScale ?? model.defaultGuidanceScale;
  if (!isBlank || model.guidanceRule === 'true scale') return asked;
  return model.guidanceRule === 'above 0' ? 0 : 1;
}

/** Checks the task against the models and fills in the defaults of the model. */
async function planTask(task: ImageInferenceTask, caller: Caller, context: Context): Promise<Plan> {
  const { main, loras, embeddings, controlNets, ipAdapters, vae, refiner } = await findTaskModels(
    task,
    context.catalog,
  );
  const { model } = main;
  const size = sizeOf(task, model, context.config.maxOutputPixels);
  const steps = task.steps ?? model.defaultSteps;
  const { negativePrompt, positivePrompt2, negativePrompt2, promptWeighting, shift, clipSkip, imageGuidanceScale } =
    task;
  const { trueCFGScale, CFGNormalization, CFGTruncation, maxSequenceLength } = task;
  const scheduler = schedulerOf(task);
  const caches = cachesOf(task, model, steps);
  const previews = task.previews ?? caller.previews;
  const progress = task.progress ?? caller.progress;
  const isTiny = previews !== false && previews.decoder === 'tiny';
  const tinyDecoder = isTiny ? await findTinyDecoder(main, context.catalog) : undefined;
  return {
    air: main.air,
    model,
    size,
    request: {
      ...chosenOf(main),
      prompt: task.positivePrompt,
      ...(negativePrompt !== undefined && { negativePrompt }),
      ...(positivePrompt2 !== undefined && { prompt2: positivePrompt2 }),
      ...(negativePrompt2 !== undefined && { negativePrompt2 }),
      ...(promptWeighting !== undefined && { promptWeighting }),
      steps,
      guidanceScale: guidanceScaleOf(task, model),
      ...(imageGuidanceScale !== undefined && { imageGuidanceScale }),
      ...(trueCFGScale !== undefined && { trueGuidanceScale: trueCFGScale }),
      ...(CFGNormalization !== undefined && { guidanceNormalization: CFGNormalization }),
      ...(CFGTruncation !== undefined && { guidanceTruncation: CFGTruncation }),
      ...(maxSequenceLength !== undefined && { maxSequenceLength }),
      ...(scheduler !== undefined && { scheduler }),
      ...(shift !== undefined && { shift }),
      ...(clipSkip !== undefined && { clipSkip }),
      ...(loras.length > 0 && { loras }),
      ...(embeddings.length > 0 && { embeddings }),
      ...(vae !== undefined && { vae }),
      ...(refiner !== undefined && { refiner: { ...refiner, startStep: refinerStart(task, steps) } }),
      ...caches.request,
      ...(previews !== false && {
        previews: {
          every: previews.every,
          decoder: isTiny ? 'tiny' : previews.decoder,
          ...(tinyDecoder !== undefined && { tinyDecoder }),
        },
      }),
      progress,
    },
    controlNets: task.controlNet.map((network, index) => {
      // Steps and percentages count over the whole schedule, like `steps`: image-to-image starts later in it.
      const { first: startStep, end: endStep } = stepRange(network, steps);
      const { weight, controlMode: mode, unionMode } = network;
      const kind = unionMode === undefined ? {} : { unionMode: unionModes.indexOf(unionMode) };
      return { model: controlNets[index]!, weight, startStep, endStep, mode, ...kind };
    }),
    imagePrompts: task.ipAdapters.map(({ weight, ...adapter }, index) => ({
      model: ipAdapters[index]!,
      weight,
      ...imageOptionsOf(adapter),
    })),
    seed: task.seed ?? BigInt(randomInt(0, 2 ** 32)),
    strength: task.strength ?? model.defaultStrength,
    previews,
    progress,
    warnings: caches.warnings,
  };
}

/**
 * The cache of a run. A preset, or the first-block cache, is a wish for speed. A model without the cache runs all
 * steps, with a warning.
 */
function cachesOf(
  task: ImageInferenceTask,
  { caches: own, layout }: ModelDescription,
  steps: number,
): { request: Pick<GenerateRequest, 'deepCache' | 'firstBlockCache'>; warnings: Warning[] } {
  // Models exported to ONNX run the whole network in every step.
  const caches = layout === 'safetensors' ? own : [];
  const asked = { deepCache: task.deepCache, fbCache: task.firstBlockCache };
  const takesDeepCache = asked.deepCache !== undefined && (!asked.deepCache.isPreset || caches.includes('deepCache'));
  const takesFirst = asked.fbCache !== undefined && caches.includes('fbCache');
  const deepCache = takesDeepCache ? deepCacheOf(task, steps) : undefined;
  const firstBlockCache = takesFirst ? firstBlockCacheOf(task, steps) : undefined;
  const isPreset = asked.deepCache?.isPreset === true || asked.fbCache?.isPreset === true;
  const isIgnored = (asked.deepCache ?? asked.fbCache) !== undefined && !takesDeepCache && !takesFirst;
  const parameter = isPreset ? 'acceleration' : 'acceleratorOptions.fbCache';
  const message = `\`${parameter}\` has no effect: this model runs its whole network in every step.`;
  return {
    request: { ...(deepCache && { deepCache }), ...(firstBlockCache && { firstBlockCache }) },
    warnings: isIgnored ? [{ code: 'ignoredParameter', message, parameter }] : [],
  };
}

/** The settings that getTaskDetails returns: enough to repeat the task with its prompts and images. */
function settingsOf(task: ImageInferenceTask, { air, size, request, seed, strength }: Plan): Record<string, unknown> {
  const { steps, guidanceScale, scheduler } = request;
  const { trueCFGScale, CFGNormalization, CFGTruncation, maxSequenceLength, shift, clipSkip } = task;
  const { numberResults, outputType, outputFormat, deliveryMethod } = task;
  return {
    model: air,
    ...size,
    steps,
    CFGScale: guidanceScale,
    ...(scheduler !== undefined && { scheduler }),
    seed,
    ...(task.seedImage !== undefined && { strength }),
    ...(trueCFGScale !== undefined && { trueCFGScale }),
    ...(CFGNormalization !== undefined && { CFGNormalization }),
    ...(CFGTruncation !== undefined && { CFGTruncation }),
    ...(maxSequenceLength !== undefined && { maxSequenceLength }),
    ...(shift !== undefined && { shift }),
    ...(clipSkip !== undefined && { clipSkip }),
    numberResults,
    outputType,
    outputFormat,
    deliveryMethod,
  };
}

/** What the task asks for, else the model's own; undefined where the first of its references decides. */
function sizeOf(task: ImageInferenceTask, model: ModelDescription, mostPixels: number): Size | undefined {
  const isOpen = task.width === undefined && task.height === undefined;
  if (isOpen && task.referenceImages.length > 0 && task.seedImage === undefined && model.mostReferences > 0) {
    return undefined;
  }
  const { width = model.defaultWidth, height = model.defaultHeight } = task;
  for (const [parameter, value] of Object.entries({ width, height })) {
    if (value % model.sizeMultiple !== 0) {
      throw new TaskError(parameterCode('invalid', parameter), {
        message: `\`${parameter}\` must be a multiple of ${model.sizeMultiple} for this model.`,
        parameter,
        type: 'integer',
      });
    }
  }
  checkOutputPixels(width, height, model.sizeMultiple, mostPixels);
  return { width, height };
}

/** Names the longer side and its maximum for the other side. */
function checkOutputPixels(width: number, height: number, multiple: number, most: number): void {
  if (width * height <= most) return;
  const [parameter, other] = width >= height ? ['width', height] : ['height', width];
  const max = Math.floor(most / other / multiple) * multiple;
  throw new TaskError(parameterCode('invalid', parameter), {
    message: `A picture of ${width}×${height} pixels is too large for this server: at most ${most} pixels.`,
    parameter,
    type: 'integer',
    ...(max > 0 && { max }),
  });
}

/** A known spelling, or undefined for the model's scheduler. */
function schedulerOf({ scheduler }: ImageInferenceTask): string | undefined {
  if (scheduler === undefined || scheduler.toLowerCase() === 'default') return undefined;
  if (resolveScheduler(scheduler) !== undefined) return scheduler;
  throw new TaskError('invalidScheduler', {
    message: noSuchScheduler(scheduler),
    parameter: 'scheduler',
    type: 'string',
    allowedValues: schedulerSpellings(),
  });
}

/**
 * From 0, over the whole schedule; the first step uses the main model. SDXL's refiner was trained on the last fifth.
 */
function refinerStart({ refiner }: ImageInferenceTask, steps: number): number {
  return Math.max(1, stepRange({ start: refiner?.start ?? { percentage: 80 } }, steps).first);
}

function deepCacheOf({ deepCache }: ImageInferenceTask, steps: number): DeepCacheRequest | undefined {
  if (deepCache === undefined) return undefined;
  const { first: startStep, end: endStep } = stepRange(deepCache, steps);
  // Percentages that round to the same step leave no step between them.
  return startStep < endStep ? { interval: deepCache.interval, startStep, endStep } : undefined;
}

function firstBlockCacheOf({ firstBlockCache }: ImageInferenceTask, steps: number): FirstBlockCacheRequest | undefined {
  if (firstBlockCache === undefined) return undefined;
  const { first: startStep, end: endStep } = stepRange(firstBlockCache, steps);
  const { threshold, most } = firstBlockCache;
  return startStep < endStep ? { threshold, most, startStep, endStep } : undefined;
}

function withPictures(
  { request, controlNets, imagePrompts, strength }: Plan,
  { size, canvas, guides, references, prompts }: TaskPictures,
): Omit<GenerateRequest, 'seed'> {
  // Percentages that round to the same step leave no step between them.
  const acting = controlNets
    .map((network, index) => ({ ...network, pixels: guides[index]! }))
    .filter(({ startStep, endStep }) => startStep < endStep);
  return {
    ...request,
    ...size,
    ...(canvas && { image: { pixels: canvas.image, strength } }),
    ...(canvas?.mask && { mask: canvas.mask }),
    ...(acting.length > 0 && { controlNets: acting }),
    ...(references.length > 0 && { references }),
    ...(prompts.length > 0 && {
      imagePrompts: prompts.map((pictures, index) => ({ ...imagePrompts[index]!, pictures })),
    }),
  };
}
