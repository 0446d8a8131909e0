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
  type Pixels,
  RuntimeError,
  resolveScheduler,
  schedulerSpellings,
} from '../../runtime/index.ts';
import { chosenOf, findTaskModels, findTinyDecoder } from '../catalog/taskModels.ts';
import type { Context } from '../context.ts';
import { type Embedded, embed } from '../images/embed.ts';
import { encodeImage } from '../images/encode.ts';
import { EncodedImage } from '../images/encodedImage.ts';
import type { Caller } from '../lifecycle/caller.ts';
import { toTaskError } from '../lifecycle/errors.ts';
import { checkRoom, storeImage } from '../lifecycle/images.ts';
import type { TaskMeter } from '../lifecycle/meter.ts';
import { readPictures, type TaskPictures } from '../lifecycle/pictures.ts';
import { Previewer } from '../lifecycle/previews.ts';
import { recipeOf } from '../lifecycle/recipe.ts';
import { fingerprintOf, TaskRecord } from '../lifecycle/records.ts';
import { ResultReference, resultOf, warned } from '../lifecycle/results.ts';
import { logEnd } from '../lifecycle/taskLog.ts';
import { type QueuedRunEvent, shuttingDown } from '../queue/queue.ts';
import { workOf } from '../queue/work.ts';

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
  imagePrompts: Omit<ImagePromptRequest, 'pixels'>[];
  /** Seed of result 0; result k has seed + k, modulo 2^64. */
  seed: bigint;
  previews: PreviewOptions | false;
  progress: boolean;
  /** Warnings for options that the model lacks and that change only the time. */
  warnings: Warning[];
}

/**
 * Generates images. A task with a known UUID does not run again: the sender of a repetition gets its results, the
 * finished ones now and the others as they finish.
 */
export async function imageInference(
  task: ImageInferenceTask & MayWarn,
  caller: Caller,
  context: Context,
): Promise<void> {
  if (repeats(task, caller, context)) return attach(task, caller, context);
  if (context.closing) throw shuttingDown();
  // Before the first await: a cancel or a repetition may follow at once.
  const record = new TaskRecord(task, caller, context.clock.now());
  context.records.add(record);
  // On arrival: the order of arrival counts, not the order of planning.
  const lane = context.records.enterLane(record, caller, task.lane);
  let meter: TaskMeter | undefined;
  void record.ended.then(() => {
    context.metrics.taskEnded(record, meter?.model);
    context.usage.taskEnded(record, meter);
    logEnd(record, context.clock.now() - record.startedAt, caller.id, context.log, meter);
  });
  let plan: Plan;
  try {
    await checkRoom(context);
    plan = await planTask(task, caller, context);
    record.warnings.push(...plan.warnings);
    record.settings = settingsOf(task, plan);
    if (record.state !== 'unfinished') return;
    const older = lane.older();
    const freed = older.reduce((sum, { admitted }) => sum + admitted, 0);
    context.queue.admit(caller.claimant, task.numberResults, freed);
    record.admitted = task.numberResults;
    record.atEnd(() => context.queue.release(caller.claimant, task.numberResults));
    // Includes tasks in planning: an older task never supersedes a newer one.
    for (const each of older) each.cancel('superseded');
  } catch (error) {
    return context.records.refuse(record, toTaskError(error, context));
  }
  keepDeadline(record, task.deadline, context);
  meter = context.metrics.task(plan.air);
  context.log.info(
    {
      taskUUID: task.taskUUID,
      session: caller.id,
      model: plan.air,
      results: task.numberResults,
      steps: plan.request.steps,
    },
    'A task was accepted.',
  );
  if (task.deliveryMethod === 'async') acknowledge(record, caller);
  if (task.deliveryMethod === 'sync') caller.awaits(record.ended);
  void runTask(task, plan, meter, record, caller, context);
}

/** Without a prompt there is no unconditional branch; a scale that is an input of the denoiser stays. */
function guidanceScaleOf({ isBlank, CFGScale }: ImageInferenceTask, model: ModelDescription): number {
  const asked = CFGScale ?? model.defaultGuidanceScale;
  if (!isBlank || model.guidanceRule === 'true scale') return asked;
  return model.guidanceRule === 'above 0' ? 0 : 1;
}

/** Whether the task is known with the same parameters. Throws `conflictTaskUUID` if they differ. */
function repeats(task: ImageInferenceTask, caller: Caller, { records }: Context): boolean {
  const record = records.find(caller.owner, task.taskUUID);
  if (record === undefined) return false;
  if (record.fingerprint !== fingerprintOf(task) || task.numberResults > record.numberResults) {
    throw new TaskError('conflictTaskUUID', { parameter: 'taskUUID', type: 'string' });
  }
  // HTTP clients retry tasks that failed by a server error: such a task runs again.
  return record.state !== 'failed' || (record.error?.status ?? 500) < 500;
}

/**
 * Sends a caller the finished results of a repeated task. It does not await anything, so later results follow in the
 * order of the record on every connection.
 */
function attach(task: ImageInferenceTask, caller: Caller, context: Context): void {
  const record = context.records.find(caller.owner, task.taskUUID);
  if (record === undefined) throw new TaskError('taskNotFound');
  const { state, error } = record;
  if (record.deliveryMethod === 'async') acknowledge(record, caller);
  // A caller that asks for fewer results has the first ones: they come in the same order on every connection.
  const from = record.numberResults - task.numberResults;
  if (state === 'unfinished' && !record.callers.has(caller)) {
    record.callers.add(caller);
    record.from.set(caller, from);
  }
  if (isSentTo(record, caller)) {
    for (const index of record.order.slice(from)) {
      const result = record.results[index];
      // A resumed session may have got it a moment ago, before the repetition.
      if (result === undefined || caller.holds(record.taskUUID, index)) continue;
      caller.data(resultOf(record, index, result, caller));
    }
  }
  if (state === 'failed' && error !== undefined && record.deliveryMethod === 'sync') throw error;
  if (state === 'cancelled') {
    const { taskType, taskUUID, cancelReason: reason } = record;
    caller.event({ event: 'cancelled', taskType, taskUUID, reason });
  }
  if (record.deliveryMethod === 'sync') caller.awaits(record.ended);
}

/** Whether a caller gets results without asking for each. */
function isSentTo({ deliveryMethod }: TaskRecord, { pushes }: Caller): boolean {
  return deliveryMethod === 'sync' || pushes;
}

function acknowledge({ taskType, taskUUID, warnings }: TaskRecord, caller: Caller): void {
  caller.data({ taskType, taskUUID, status: 'processing', ...warned({ warnings }) });
}

/** Checks the task against the models and fills in the defaults of the model. */
async function planTask(task: ImageInferenceTask, caller: Caller, context: Context): Promise<Plan> {
  checkPriority(task, context.keys.policyOf(caller.owner).maxPriority);
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
    imagePrompts: task.ipAdapters.map(({ weight }, index) => ({ model: ipAdapters[index]!, weight })),
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

function checkPriority({ priority }: ImageInferenceTask, max: number): void {
  if (priority <= max) return;
  throw new TaskError('invalidPriority', {
    message: `\`priority\` must be at most ${max} with this key.`,
    parameter: 'priority',
    type: 'integer',
    max,
  });
}

/** Fails a task that has not started by its deadline. */
function keepDeadline(record: TaskRecord, deadline: number | undefined, { clock }: Context): void {
  if (deadline === undefined) return;
  const timer = clock.after(Math.max(0, record.startedAt + deadline - clock.now()), () => {
    if (record.started) return;
    const message = `The task had not started ${deadline} ms after its arrival and was not run.`;
    record.fail(new TaskError('startTimeout', { message, parameter: 'deadline', type: 'integer' }));
  });
  void record.ended.then(() => timer.cancel());
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

/** Runs all results; never rejects, because errors go to the record. */
async function runTask(
  task: ImageInferenceTask,
  plan: Plan,
  meter: TaskMeter,
  record: TaskRecord,
  caller: Caller,
  context: Context,
): Promise<void> {
  try {
    const pictures = await readPictures(task, plan.size, plan.model, record.signal, caller, context);
    if (record.state !== 'unfinished') return;
    record.settings = settingsOf(task, { ...plan, size: pictures.size });
    const request = withPictures(plan, pictures);
    const work = workOf({ ...request, seed: plan.seed }, plan.model);
    const runs = Array.from({ length: task.numberResults }, (_, index) => {
      // Every returned seed must be a valid parameter.
      const ofResult = { ...request, seed: BigInt.asUintN(64, plan.seed + BigInt(index)) };
      const events = context.queue.run(caller.claimant, ofResult, task.priority, work, record.signal);
      return runResult(index, ofResult, meter.follow(events), task, plan, pictures, record, context);
    });
    await Promise.all(runs);
    record.end('finished');
  } catch (error) {
    if (record.state !== 'unfinished') return;
    record.fail(toTaskError(error, context));
  }
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
      imagePrompts: prompts.map((pixels, index) => ({ ...imagePrompts[index]!, pixels })),
    }),
  };
}

/** Runs one result: sends its events, stores and sends its image. Throws the error that ends the task. */
async function runResult(
  index: number,
  request: GenerateRequest,
  events: AsyncIterable<QueuedRunEvent>,
  task: ImageInferenceTask,
  plan: Plan,
  { canvas }: TaskPictures,
  record: TaskRecord,
  context: Context,
): Promise<void> {
  const { taskType, taskUUID } = record;
  const previewer = plan.previews === false ? undefined : new Previewer(record, index, plan.previews, request, context);
  let pixels: Pixels | undefined;
  for await (const event of events) {
    // Events after the end of the task are dropped; the run itself ends within a step.
    if (record.state !== 'unfinished') continue;
    switch (event.type) {
      case 'queued': {
        // The position of a task is that of its next result.
        const before = Math.min(...record.positions.values());
        record.positions.set(index, event.position);
        const position = Math.min(...record.positions.values());
        if (plan.progress && position !== before) tell(record, { event: 'queued', taskType, taskUUID, position });
        break;
      }
      case 'loading': {
        const { component, doneBytes, ofBytes } = event;
        const progress = ofBytes > 0 ? Math.floor((100 * doneBytes) / ofBytes) : 0;
        record.loading = { component, progress };
        if (plan.progress) tell(record, { event: 'loading', taskType, taskUUID, component, progress });
        break;
      }
      case 'started':
        record.positions.delete(index);
        record.steps[index] = { done: 0, of: event.steps };
        if (plan.progress)
          tell(record, { event: 'started', taskType, taskUUID, resultIndex: index, steps: event.steps });
        break;
      case 'stepped': {
        const { step, steps } = event;
        record.loading = undefined;
        record.steps[index] = { done: step + 1, of: steps };
        if (plan.progress) tell(record, { event: 'stepped', taskType, taskUUID, resultIndex: index, step, steps });
        break;
      }
      case 'previewed':
        record.loading = undefined;
        record.steps[index] = { done: event.step + 1, of: event.steps };
        previewer?.offer(event);
        break;
      case 'finished':
        record.loading = undefined;
        pixels = event.pixels;
        break;
    }
  }
  previewer?.stop();
  if (pixels === undefined) throw new RuntimeError('inferenceError', 'The run ended without an image.');
  const drawn = pixels;
  // The runtime is free for the next run from here on. Sequential, so that results come in the order in which their
  // runs ended, not in the order of encoding time.
  const delivered = record.delivered.then(async () => {
    const finished = canvas === undefined ? drawn : await canvas.finish(drawn);
    const recipe = recipeOf(task, { air: plan.air, defaultScheduler: plan.model.defaultScheduler, request });
    await deliver(index, finished, request.seed, recipe, task, record, context);
  });
  record.delivered = delivered.catch(() => {});
  await delivered;
}

/** Encodes and stores the image of one result, and sends it to all callers. */
async function deliver(
  index: number,
  pixels: Pixels,
  seed: bigint,
  recipe: Embedded,
  task: ImageInferenceTask,
  record: TaskRecord,
  context: Context,
): Promise<void> {
  if (record.state !== 'unfinished') return;
  const plain = await encodeImage(pixels, task.outputFormat, task.outputQuality);
  const isTold = task.includeMetadata && !context.config.withoutMetadata;
  const image = new EncodedImage(isTold ? embed(plain, task.outputFormat, recipe) : plain);
  if (record.state !== 'unfinished') return;
  const stored = await storeImage(
    image.bytes,
    task.outputFormat,
    { owner: record.owner, ttlSeconds: task.ttl },
    context,
  );
  if (record.state !== 'unfinished') {
    // Cancelled meanwhile: nobody gets this image.
    await context.store.delete(stored.imageUUID);
    return;
  }
  // Its images are protected from deletion until the task ends.
  const hold = context.store.hold(stored.imageUUID);
  void record.ended.then(() => hold[Symbol.dispose]());
  const result = { imageUUID: stored.imageUUID, format: stored.format, seed };
  const place = record.add(index, result);
  // Receivers differ only in the address of the request, so those with one address share a result and its frame.
  const results = new Map<string, ReturnType<typeof resultOf>>();
  for (const receiver of record.callers) {
    if (!isSentTo(record, receiver) || place < (record.from.get(receiver) ?? 0)) continue;
    const told = results.get(receiver.baseUrl) ?? resultOf(record, index, result, receiver);
    results.set(receiver.baseUrl, told);
    if (told instanceof ResultReference) receiver.result(told, image);
    else receiver.data(told);
  }
}

function tell(record: TaskRecord, event: Parameters<Caller['event']>[0]): void {
  // Nothing follows the end, not even events of the same turn.
  if (record.state !== 'unfinished') return;
  for (const caller of record.callers) caller.event(event);
}
