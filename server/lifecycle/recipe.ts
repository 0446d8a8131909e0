import type { IpAdapter } from '../../protocol/companions.ts';
import type { ImageReference } from '../../protocol/images.ts';
import { stringifyJson } from '../../protocol/json.ts';
import type { ImageInferenceTask } from '../../protocol/tasks/imageInference.ts';
import type { GenerateRequest } from '../../runtime/index.ts';
import type { Embedded } from '../images/embed.ts';
import { packageVersion } from '../packageRoot.ts';

/** Facts for a recipe beside the task. */
export interface Drawn {
  /** Id of the model in the catalog. */
  air: string;
  /** The model's default scheduler. */
  defaultScheduler: string;
  request: GenerateRequest;
}

/** Metadata to repeat a result. Input pictures are given by UUID; URLs, bytes and delivery options are left out. */
export function recipeOf(task: ImageInferenceTask, drawn: Drawn): Embedded {
  return { parameters: parametersOf(task, drawn), json: stringifyJson(taskOf(task, drawn)) };
}

/** AUTOMATIC1111's format, which many tools read. */
function parametersOf(task: ImageInferenceTask, { air, defaultScheduler, request }: Drawn): string {
  const settings: [string, string | number | bigint | undefined][] = [
    ['Steps', request.steps],
    ['Sampler', (request.scheduler ?? defaultScheduler) || undefined],
    ['CFG scale', request.guidanceScale],
    ['Seed', request.seed],
    ['Size', `${request.width}x${request.height}`],
    ['Model', air],
    ['Denoising strength', task.seedImage && request.image?.strength],
    ['Shift', task.shift],
    ['Clip skip', task.clipSkip],
    ['VAE', task.vae],
    ['Version', `latentwire ${packageVersion}`],
  ];
  // Values with a comma or colon are quoted as in JSON.
  const shown = (value: string | number | bigint) =>
    /[,:\n]/.test(String(value)) ? JSON.stringify(String(value)) : value;
  const line = settings
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${shown(value)}`]))
    .join(', ');
  const loras = task.lora.map(({ model, weight }) => ` <lora:${model}:${weight}>`).join('');
  const negative = task.negativePrompt ? [`Negative prompt: ${task.negativePrompt}`] : [];
  return [`${task.positivePrompt}${loras}`, ...negative, line].join('\n');
}

/** A task that repeats the result. */
function taskOf(task: ImageInferenceTask, { air, defaultScheduler, request }: Drawn): Record<string, unknown> {
  const { positivePrompt, negativePrompt, positivePrompt2, negativePrompt2, promptWeighting, clipSkip } = task;
  const { lora, embeddings, vae, refiner, outpaint, maskMargin, imageGuidanceScale, shift } = task;
  const { trueCFGScale, CFGNormalization, CFGTruncation, maxSequenceLength, referenceImages } = task;
  const references = referenceImages.map(({ image }) => uuidOf(image));
  const ipAdapters = task.ipAdapters.map(({ model, guideImages, weight, ...adapter }) => {
    const images = guideImages.map(({ image }) => uuidOf(image));
    return images.includes(undefined) ? undefined : { model, guideImages: images, weight, ...imageOptionsOf(adapter) };
  });
  const weighted = ({ model, weight }: { model: string; weight: number }) => ({ model, weight });
  const recipe = {
    taskType: task.taskType,
    ...{ positivePrompt, negativePrompt, positivePrompt2, negativePrompt2, promptWeighting, clipSkip },
    model: air,
    ...{ width: request.width, height: request.height, steps: request.steps },
    CFGScale: request.guidanceScale,
    ...{ imageGuidanceScale, trueCFGScale, CFGNormalization, CFGTruncation, maxSequenceLength },
    scheduler: (request.scheduler ?? defaultScheduler) || undefined,
    shift,
    seed: request.seed,
    ...{ seedImage: uuidOf(task.seedImage), strength: task.seedImage && request.image?.strength },
    ...{ maskImage: uuidOf(task.maskImage), maskMargin, outpaint },
    ...(references.length > 0 && !references.includes(undefined) && { referenceImages: references }),
    ...(lora.length > 0 && { lora: lora.map(weighted) }),
    ...(ipAdapters.length > 0 && !ipAdapters.includes(undefined) && { ipAdapters }),
    ...(embeddings.length > 0 && { embeddings: embeddings.map(weighted) }),
    vae,
    refiner: refiner && { model: refiner.model },
  };
  return Object.fromEntries(Object.entries(recipe).filter(([, value]) => value !== undefined));
}

/** What a task says of an image prompt beside its weight. */
export function imageOptionsOf(adapter: Pick<IpAdapter, (typeof imageOptions)[number]>) {
  return Object.fromEntries(
    imageOptions.flatMap((name) => (adapter[name] === undefined ? [] : [[name, adapter[name]]])),
  ) as { [K in (typeof imageOptions)[number]]?: NonNullable<IpAdapter[K]> };
}

const imageOptions = ['weightType', 'weightComposition', 'embedScaling', 'combineMethod'] as const;

function uuidOf(reference: ImageReference | undefined): string | undefined {
  return reference?.kind === 'uuid' ? reference.uuid : undefined;
}
