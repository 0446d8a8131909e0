import * as z from 'zod';
import type { ImageFormat } from '../events.ts';
import { type ImageReference, image, optionalImage } from '../images.ts';
import {
  boolean,
  choice,
  choices,
  decimal,
  described,
  integer,
  list,
  nested,
  refuse,
  taskKind,
  text,
  unsupported,
  uuid,
} from '../parameters.ts';
import { IMAGE_FORMATS, type PreviewOptions, previews } from '../previews.ts';
import { endShape, type StepChoice, startShape, stepChoice } from '../steps.ts';

/** Ways to deliver an image; `imageURL` is always there. */
export type OutputType = 'URL' | 'base64Data' | 'dataURI';

/** A model that acts beside the main one. */
export interface WeightedModel {
  /** AIR or alias. */
  model: string;
  /** −4 to 4. */
  weight: number;
  /** Where the client wrote it, for errors about it: `lora[0]`, `lycoris[2]`. */
  parameter: string;
}

/** A network that holds the picture to a guide image. */
export interface ControlNet {
  model: string;
  guideImage: ImageReference;
  /** 0 to 1. */
  weight: number;
  /** Absent: from the first step. */
  start?: StepChoice | undefined;
  /** Absent: up to the last step. */
  end?: StepChoice | undefined;
  /** Whether both matter alike, or the prompt or the guide image prevails. */
  controlMode: 'balanced' | 'prompt' | 'controlnet';
  /** Where the client wrote it, for errors about it: `controlNet[0]`. */
  parameter: string;
}

/** Pixels that the picture has more than the seed image, on each side; multiples of 64. */
export interface Outpaint {
  top: number;
  right: number;
  bottom: number;
  left: number;
  /** Pixels over which the old part fades into the new, 0 to 32. */
  blur: number;
}

/** Makes images from a prompt, or from a prompt and a seed image. What is absent is the model's own default. */
export interface ImageInferenceTask {
  taskType: 'imageInference';
  taskUUID: string;
  /** Empty for `__BLANK__`, which means no text guidance; CFGScale is 1 then. */
  positivePrompt: string;
  negativePrompt?: string | undefined;
  /** What a second text encoder reads. Absent: the first prompts. */
  positivePrompt2?: string | undefined;
  negativePrompt2?: string | undefined;
  /** How the prompts write the weights of their parts. Absent: not at all. */
  promptWeighting?: 'compel' | 'sdEmbeds' | undefined;
  /** AIR or alias; the server knows which there are. */
  model?: string | undefined;
  width?: number | undefined;
  height?: number | undefined;
  steps?: number | undefined;
  /** A spelling; the runtime knows which there are. */
  scheduler?: string | undefined;
  /** Absent: the server draws one of 32 bits. Result n uses seed + n. */
  seed?: bigint | undefined;
  CFGScale?: number | undefined;
  /** Of models that edit a picture: how closely to keep to it. */
  imageGuidanceScale?: number | undefined;
  clipSkip?: number | undefined;
  numberResults: number;
  /** Its presence makes the task image-to-image. */
  seedImage?: ImageReference | undefined;
  /** Present exactly where seedImage is. */
  strength?: number | undefined;
  /** White to change, black to keep, grey in part. Only with seedImage, and never with outpaint. */
  maskImage?: ImageReference | undefined;
  /** Pixels kept around the mask when only its surroundings are made, 32 to 128. Only with maskImage. */
  maskMargin?: number | undefined;
  /** Only with seedImage, width and height; at least one side is above 0, and at least 128 pixels are left each way. */
  outpaint?: Outpaint | undefined;
  /** LoRAs and LyCORIS alike. */
  lora: WeightedModel[];
  embeddings: WeightedModel[];
  controlNet: ControlNet[];
  /** AIR or alias of another autoencoder than the model's. */
  vae?: string | undefined;
  /** A second model that takes over; absent `start`: where the server thinks best. */
  refiner?: { model: string; start?: StepChoice | undefined } | undefined;
  outputType: OutputType[];
  outputFormat: ImageFormat;
  outputQuality: number;
  /** Seconds until the image is deleted. */
  ttl?: number | undefined;
  includeCost: boolean;
  deliveryMethod: 'sync' | 'async';
  /** Absent: the session's default. */
  previews?: PreviewOptions | false | undefined;
  /** Whether to send queued, started and stepped. Absent: the session's default. */
  progress?: boolean | undefined;
  /** A newer task of the same lane supersedes this one while it is unfinished. */
  lane?: string | undefined;
}

/** The word for a prompt that says nothing. */
export const BLANK_PROMPT = '__BLANK__';

/** Most LoRAs and LyCORIS together; most embeddings. */
export const MAX_WEIGHTED_MODELS = 16;
export const MAX_CONTROL_NETS = 8;

/** What an outpainted picture keeps of the seed image at least, in pixels each way. */
const LEAST_KEPT = 128;

/**
 * 64 bits, as PyTorch's generators take. Runware documents 9223372036854776000, which is what 2^63 - 1 becomes in
 * JavaScript and lies above 2^63; and the seeds of a batch that starts there must be sendable again.
 */
export const MAX_SEED = 2n ** 64n - 1n;

const seed = described(
  z
    .union([z.bigint(), z.number()])
    .transform((value, context): bigint | undefined => {
      // Tools of this field write -1 for "any seed".
      if (value === -1 || value === -1n) return undefined;
      if (typeof value === 'bigint' || Number.isInteger(value)) {
        const exact = BigInt(value);
        if (exact >= 0n && exact <= MAX_SEED) return exact;
      }
      context.issues.push({ code: 'custom', message: 'not a seed', input: undefined });
      return z.NEVER;
    })
    .optional(),
  { type: 'integer', rule: `an integer from 0 to ${MAX_SEED}, or -1 for any`, min: 0, max: Number(MAX_SEED) },
);

const prompt = described(z.string().min(1).max(10_000), {
  type: 'string',
  rule: `a string of 1 to 10000 characters, or "${BLANK_PROMPT}" for no text guidance`,
  min: 1,
  max: 10_000,
});

const furtherPrompt = () =>
  described(z.string().max(10_000).optional(), {
    type: 'string',
    rule: `a string of 0 to 10000 characters, or "${BLANK_PROMPT}" for none`,
    min: 0,
    max: 10_000,
  });

const modelName = () =>
  described(z.string().min(1).max(256), { type: 'string', rule: 'a string of 1 to 256 characters', min: 1, max: 256 });

const weightedModels = (name: string) =>
  list(
    name,
    { model: modelName(), weight: decimal({ min: -4, max: 4, default: 1 }) },
    { max: MAX_WEIGHTED_MODELS, keys: 'model and weight' },
    ({ model, weight = 1 }) => ({ model, weight }),
  );

const controlNets = list(
  'controlNet',
  {
    model: modelName(),
    guideImage: image(),
    weight: decimal({ min: 0, max: 1, default: 1 }),
    ...startShape({ minStep: 1, minPercentage: 0 }),
    ...endShape,
    controlMode: choice(['balanced', 'prompt', 'controlnet'], 'balanced'),
  },
  {
    max: MAX_CONTROL_NETS,
    keys: 'model, guideImage, weight, startStep, startStepPercentage, endStep, endStepPercentage and controlMode',
  },
  ({ model, guideImage, weight = 1, controlMode = 'balanced', ...places }, context): Omit<ControlNet, 'parameter'> => {
    const { startStep, startStepPercentage, endStep, endStepPercentage } = places;
    const start = stepChoice('start', { step: startStep, percentage: startStepPercentage }, [], context);
    const end = stepChoice('end', { step: endStep, percentage: endStepPercentage }, [], context);
    if (startStep !== undefined && endStep !== undefined && startStep > endStep) {
      refuse(context, 'invalid', ['endStep'], '`endStep` must not be below `startStep`.');
    }
    if (
      startStepPercentage !== undefined &&
      endStepPercentage !== undefined &&
      startStepPercentage >= endStepPercentage
    ) {
      refuse(context, 'invalid', ['endStepPercentage'], '`endStepPercentage` must be above `startStepPercentage`.');
    }
    return { model, guideImage, weight, start, end, controlMode };
  },
);

const side = () => integer({ min: 0, max: 2048 - LEAST_KEPT, multipleOf: 64, default: 0 });

const isFalse = (value: unknown) => value === false;
const isNone = (value: unknown) => typeof value === 'string' && value.toLowerCase() === 'none';
const isHollow = (value: unknown) =>
  typeof value === 'object' &&
  value !== null &&
  Object.values(value).every((entry) => entry === null || entry === false);

/** `mode` wins over `checkContent`, as Runware documents. */
function checksNothing(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { mode, checkContent } = value as { mode?: unknown; checkContent?: unknown };
  return isNone(mode) || ((mode === undefined || mode === null) && checkContent !== true);
}

const NO_REFERENCES = 'reference images are not available; image-to-image takes `seedImage`.';
const NO_FACES = 'identity features are not available.';
const NO_CHECKER = 'no content checker is installed, and a check that is silently left out would be worse than none.';
const NO_CALLS = 'this server does not call addresses it is given; take results from the socket or with getResponse.';
const NOT_HERE = 'it belongs to models that are not available here.';

const shape = {
  taskType: z.literal('imageInference'),
  taskUUID: uuid(),
  positivePrompt: prompt,
  negativePrompt: furtherPrompt(),
  positivePrompt2: furtherPrompt(),
  negativePrompt2: furtherPrompt(),
  promptWeighting: choice(['compel', 'sdEmbeds', 'none'], 'none'),
  usePromptWeighting: boolean(false),
  model: text({ min: 1, max: 256 }),
  width: integer({ min: 128, max: 2048, multipleOf: 64 }),
  height: integer({ min: 128, max: 2048, multipleOf: 64 }),
  steps: integer({ min: 1, max: 100 }),
  scheduler: text({ min: 1, max: 100 }),
  seed,
  CFGScale: decimal({ min: 0, max: 50 }),
  imageGuidanceScale: decimal({ min: 0, max: 20 }),
  clipSkip: integer({ min: 0, max: 2, default: 0 }),
  numberResults: integer({ min: 1, max: 20, default: 1 }),
  seedImage: optionalImage(),
  inputs: nested(
    {
      seedImage: optionalImage(),
      image: unsupported(NO_REFERENCES),
      images: unsupported(NO_REFERENCES),
      maskImage: optionalImage(),
      mask: optionalImage(),
      referenceImages: unsupported(NO_REFERENCES),
      superResolutionReferences: unsupported(NO_REFERENCES),
    },
    'an object',
  ),
  strength: decimal({ min: 0, max: 1, default: 0.8 }),
  maskImage: optionalImage(),
  maskMargin: integer({ min: 32, max: 128 }),
  outpaint: nested(
    {
      top: side(),
      right: side(),
      bottom: side(),
      left: side(),
      blur: integer({ min: 0, max: 32, default: 0 }),
    },
    'an object of top, right, bottom, left and blur',
  ),
  lora: weightedModels('lora'),
  lycoris: weightedModels('lycoris'),
  embeddings: weightedModels('embeddings'),
  controlNet: controlNets,
  vae: text({ min: 1, max: 256 }),
  refiner: nested(
    { model: modelName(), ...startShape({ minStep: 2, minPercentage: 1 }) },
    'an object of model and startStep or startStepPercentage',
  ),
  outputType: choices(['URL', 'base64Data', 'dataURI'], 'URL'),
  outputFormat: choice(IMAGE_FORMATS, 'JPG'),
  outputQuality: integer({ min: 20, max: 99, default: 95 }),
  ttl: integer({ min: 60, max: 31_536_000 }),
  includeCost: boolean(false),
  deliveryMethod: choice(['sync', 'async'], 'sync'),
  previews,
  progress: boolean(false),
  lane: text({ min: 1, max: 64 }),

  // Known, and refused where they would change the picture or promise what does not happen.
  referenceImages: unsupported(NO_REFERENCES),
  ipAdapters: unsupported('IP-Adapters are not available.'),
  ipAdapter: unsupported('IP-Adapters are not available.'),
  hiresFix: unsupported('a second pass is not available.', isFalse),
  puLID: unsupported(NO_FACES),
  pulid: unsupported(NO_FACES),
  acePlusPlus: unsupported(NO_FACES),
  photoMaker: unsupported(NO_FACES),
  instantID: unsupported(NO_FACES),
  ultralytics: unsupported(NO_FACES),
  layerDiffuse: unsupported('transparent images are not available.', isFalse),
  advancedFeatures: unsupported('transparent images are not available.', isHollow),
  acceleration: unsupported('presets trade the picture for speed; choose `steps` and `scheduler`.', isNone),
  trueCFGScale: unsupported(NOT_HERE),
  settings: unsupported(NOT_HERE, isHollow),
  providerSettings: unsupported(NOT_HERE, isHollow),
  resolution: unsupported('say `width` and `height`.'),
  upscaleFactor: unsupported('upscaling is not available.', (value) => value === 1),
  watermark: unsupported('watermarks are not available.', isFalse),
  checkNSFW: unsupported(NO_CHECKER, isFalse),
  safety: unsupported(NO_CHECKER, checksNothing),
  uploadEndpoint: unsupported(NO_CALLS),
  webhookURL: unsupported(NO_CALLS),
};

export const imageInference = taskKind(shape, (parsed, context): ImageInferenceTask => {
  const isBlank = parsed.positivePrompt === BLANK_PROMPT;
  const seedImage = parsed.seedImage ?? parsed.inputs?.seedImage;
  const maskImage = parsed.maskImage ?? parsed.inputs?.maskImage ?? parsed.inputs?.mask;
  const outpaint = outpaintOf(parsed.outpaint);
  const lora = [...(parsed.lora ?? []), ...(parsed.lycoris ?? [])];
  const controlNet = parsed.controlNet ?? [];
  const { refiner } = parsed;
  const task: ImageInferenceTask = {
    taskType: parsed.taskType,
    taskUUID: parsed.taskUUID,
    positivePrompt: isBlank ? '' : parsed.positivePrompt,
    negativePrompt: isBlank ? undefined : written(parsed.negativePrompt),
    positivePrompt2: isBlank ? undefined : written(parsed.positivePrompt2),
    negativePrompt2: isBlank ? undefined : written(parsed.negativePrompt2),
    promptWeighting: weightingOf(parsed),
    model: parsed.model,
    width: parsed.width,
    height: parsed.height,
    steps: parsed.steps,
    scheduler: parsed.scheduler,
    seed: parsed.seed,
    CFGScale: isBlank ? 1 : parsed.CFGScale,
    imageGuidanceScale: parsed.imageGuidanceScale,
    clipSkip: parsed.clipSkip,
    numberResults: parsed.numberResults ?? 1,
    seedImage,
    // What outpainting adds has nothing to keep.
    strength: seedImage === undefined ? undefined : (parsed.strength ?? (outpaint === undefined ? 0.8 : 1)),
    maskImage,
    maskMargin: parsed.maskMargin,
    outpaint,
    lora,
    embeddings: parsed.embeddings ?? [],
    controlNet,
    vae: parsed.vae,
    refiner: refiner && {
      model: refiner.model,
      start: stepChoice(
        'start',
        { step: refiner.startStep, percentage: refiner.startStepPercentage },
        ['refiner'],
        context,
      ),
    },
    outputType: parsed.outputType ?? ['URL'],
    outputFormat: parsed.outputFormat ?? 'JPG',
    outputQuality: parsed.outputQuality ?? 95,
    ttl: parsed.ttl,
    includeCost: parsed.includeCost ?? false,
    deliveryMethod: parsed.deliveryMethod ?? 'sync',
    previews: parsed.previews,
    progress: parsed.progress,
    lane: parsed.lane,
  };
  checkPictures(task, context);
  checkSteps(task, context);
  if (lora.length > MAX_WEIGHTED_MODELS) {
    const told = `\`lora\` and \`lycoris\` take at most ${MAX_WEIGHTED_MODELS} models together.`;
    refuse(context, 'invalid', ['lycoris'], told);
  }
  return task;
});

function written(prompt: string | undefined): string | undefined {
  return prompt === BLANK_PROMPT ? '' : prompt;
}

/** `usePromptWeighting` is the older word, and counts where the newer is absent. */
function weightingOf(parsed: {
  promptWeighting?: 'compel' | 'sdEmbeds' | 'none' | undefined;
  usePromptWeighting?: boolean | undefined;
}): 'compel' | 'sdEmbeds' | undefined {
  const chosen = parsed.promptWeighting ?? (parsed.usePromptWeighting ? 'compel' : 'none');
  return chosen === 'none' ? undefined : chosen;
}

function outpaintOf(sides: { [side in keyof Outpaint]?: number | undefined } | undefined): Outpaint | undefined {
  if (sides === undefined) return undefined;
  const { top = 0, right = 0, bottom = 0, left = 0, blur = 0 } = sides;
  return { top, right, bottom, left, blur };
}

/** What the seed image, the mask and the sides of outpainting ask of each other. */
function checkPictures(task: ImageInferenceTask, context: z.RefinementCtx): void {
  const { seedImage, maskImage, maskMargin, outpaint } = task;
  if (maskMargin !== undefined && maskImage === undefined) {
    refuse(context, 'missing', ['maskImage'], '`maskMargin` needs `maskImage`, around which it is measured.');
  }
  if (maskImage !== undefined && outpaint !== undefined) {
    refuse(context, 'invalid', ['maskImage'], 'Leave out `maskImage`: `outpaint` masks what it adds.');
  }
  if (maskImage !== undefined && seedImage === undefined) {
    refuse(context, 'missing', ['seedImage'], '`maskImage` needs `seedImage`, the picture that is changed there.');
  }
  if (outpaint === undefined) return;
  if (seedImage === undefined) {
    refuse(context, 'missing', ['seedImage'], '`outpaint` needs `seedImage`, the picture that is extended.');
  }
  const { top, right, bottom, left } = outpaint;
  if (top + right + bottom + left === 0) {
    refuse(context, 'invalid', ['outpaint'], '`outpaint` must be above 0 on one side at least.');
  }
  for (const [name, added, sides] of [
    ['width', left + right, '`left` and `right`'],
    ['height', top + bottom, '`top` and `bottom`'],
  ] as const) {
    const size = task[name];
    if (size === undefined) {
      refuse(context, 'missing', [name], `\`outpaint\` needs \`${name}\`, the final size with what is added.`);
    } else if (size - added < LEAST_KEPT) {
      const told = `${sides} of \`outpaint\` must leave ${LEAST_KEPT} pixels of \`${name}\` to the seed image.`;
      refuse(context, 'invalid', ['outpaint'], told);
    }
  }
}

/** Where `steps` is known, nothing may begin after it or end after it. */
function checkSteps({ steps, controlNet, refiner }: ImageInferenceTask, context: z.RefinementCtx): void {
  if (steps === undefined) return;
  const places = [
    { choice: refiner?.start, path: ['refiner', 'startStep'] },
    ...controlNet.flatMap(({ start, end }, index) => [
      { choice: start, path: ['controlNet', index, 'startStep'] },
      { choice: end, path: ['controlNet', index, 'endStep'] },
    ]),
  ];
  for (const { choice: place, path } of places) {
    if (place !== undefined && 'step' in place && place.step > steps) {
      refuse(context, 'invalid', path, `\`${String(path.at(-1))}\` must not be above \`steps\`.`);
    }
  }
}
