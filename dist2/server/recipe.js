import { stringifyJson } from '../protocol/json.js';
import { packageVersion } from './packageRoot.js';
/**
 * What is needed to draw a result again, as texts for its file. Pictures are named by UUID; a URL or bytes of somebody's are left
 * out, and so is everything about delivery.
 */
export function recipeOf(task, drawn) {
  return { parameters: parametersOf(task, drawn), json: stringifyJson(taskOf(task, drawn)) };
}
/** The lines that AUTOMATIC1111 writes and many tools read. */
function parametersOf(task, { air, defaultScheduler, request }) {
  const settings = [
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
  // Values with a comma or a colon are quoted, as JSON.
  const shown = (value) => (/[,:\n]/.test(String(value)) ? JSON.stringify(String(value)) : value);
  const line = settings
    .flatMap(([name, value]) => (value === undefined ? [] : [`${name}: ${shown(value)}`]))
    .join(', ');
  const loras = task.lora.map(({ model, weight }) => ` <lora:${model}:${weight}>`).join('');
  const negative = task.negativePrompt ? [`Negative prompt: ${task.negativePrompt}`] : [];
  return [`${task.positivePrompt}${loras}`, ...negative, line].join('\n');
}
/** A task that draws the same result. */
function taskOf(task, { air, defaultScheduler, request }) {
  const { positivePrompt, negativePrompt, positivePrompt2, negativePrompt2, promptWeighting, clipSkip } = task;
  const { lora, embeddings, vae, refiner, outpaint, maskMargin, imageGuidanceScale, shift } = task;
  const { trueCFGScale, maxSequenceLength, referenceImages } = task;
  const references = referenceImages.map(({ image }) => uuidOf(image));
  const weighted = ({ model, weight }) => ({ model, weight });
  const recipe = {
    taskType: task.taskType,
    ...{ positivePrompt, negativePrompt, positivePrompt2, negativePrompt2, promptWeighting, clipSkip },
    model: air,
    ...{ width: request.width, height: request.height, steps: request.steps },
    CFGScale: request.guidanceScale,
    ...{ imageGuidanceScale, trueCFGScale, maxSequenceLength },
    scheduler: (request.scheduler ?? defaultScheduler) || undefined,
    shift,
    seed: request.seed,
    ...{ seedImage: uuidOf(task.seedImage), strength: task.seedImage && request.image?.strength },
    ...{ maskImage: uuidOf(task.maskImage), maskMargin, outpaint },
    ...(references.length > 0 && !references.includes(undefined) && { referenceImages: references }),
    ...(lora.length > 0 && { lora: lora.map(weighted) }),
    ...(embeddings.length > 0 && { embeddings: embeddings.map(weighted) }),
    vae,
    refiner: refiner && { model: refiner.model },
  };
  return Object.fromEntries(Object.entries(recipe).filter(([, value]) => value !== undefined));
}
function uuidOf(reference) {
  return reference?.kind === 'uuid' ? reference.uuid : undefined;
}
//# sourceMappingURL=recipe.js.map
