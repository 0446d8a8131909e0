import * as z from 'zod';
import {
  acceleration,
  acceleratorOptions,
  type DeepCache,
  deepCacheOf,
  type FirstBlockCache,
  firstBlockCacheOf,
} from '../acceleration.ts';
import {
  type ControlNet,
  checkCompanions,
  controlNets,
  type IpAdapter,
  ipAdapters,
  type Refiner,
  refiner,
  refinerOf,
  type WeightedModel,
  weightedModels,
} from '../companions.ts';
import { type Delivery, delivery, deliveryOf } from '../delivery.ts';
import { type ImageReference, optionalImage } from '../images.ts';
import { checkPictures, type Outpaint, outpaint, outpaintOf } from '../inpainting.ts';
import {
  boolean,
  choice,
  decimal,
  described,
  ignored,
  integer,
  isFalse,
  nested,
  taskKind,
  text,
  unsupported,
  uuid,
} from '../parameters.ts';
import { type ReferenceImage, referenceImages } from '../references.ts';
import { sideRange } from '../sizes.ts';

/** Makes images from a prompt, or from a prompt and a seed image. What is absent is the model's own default. */
export interface ImageInferenceTask extends Delivery {
  taskType: 'imageInference';
  taskUUID: string;
  /** Empty for `__BLANK__`. */
  positivePrompt: string;
  /** The prompt was `__BLANK__`, which means no text guidance: where CFGScale is that, it is left aside. */
  isBlank?: true | undefined;
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
  /** Absent: the server draws one of 32 bits. Result n uses seed + n, modulo 2^64. */
  seed?: bigint | undefined;
  CFGScale?: number | undefined;
  /** Of models that edit a picture: how closely to keep to it. */
  imageGuidanceScale?: number | undefined;
  /** Classifier-free guidance of models that take CFGScale as an input; it needs a negative prompt. */
  trueCFGScale?: number | undefined;
  /** Most length of the guided prediction, as a multiple of that of the prompt alone; 0: any. */
  CFGNormalization?: number | undefined;
  /** Where in the schedule guidance ends, from 0 (noise) to 1 (picture). */
  CFGTruncation?: number | undefined;
  /** Tokens of the prompt that are read, of models that take long ones. */
  maxSequenceLength?: number | undefined;
  /** Of flow models: the shift of their sigmas, which replaces the model's own. */
  shift?: number | undefined;
  clipSkip?: number | undefined;
  numberResults: number;
  /** Its presence makes the task image-to-image. */
  seedImage?: ImageReference | undefined;
  /** Only with seedImage; absent: the model's own. */
  strength?: number | undefined;
  /** Pictures that the prompt refers to. */
  referenceImages: ReferenceImage[];
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
  /** Pictures that are read like words of the prompt. */
  ipAdapters: IpAdapter[];
  /** AIR or alias of another autoencoder than the model's. */
  vae?: string | undefined;
  refiner?: Refiner | undefined;
  deepCache?: DeepCache | undefined;
  firstBlockCache?: FirstBlockCache | undefined;
}

/** The word for a prompt that says nothing. */
export const BLANK_PROMPT = '__BLANK__';

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
  { type: 'integer', rule: `an integer from 0 to ${MAX_SEED}, or -1 for any`, min: 0, max: MAX_SEED },
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

const NO_REFERENCES =
  'use `inputs.referenceImages` for reference images and `seedImage` for the picture to start from.';
const NO_FACES = 'identity features are not supported.';
const NO_CHECKER = 'this server has no content checker.';
const NOT_HERE = 'it is for models that this server does not support.';

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
  width: integer({ ...sideRange, multipleOf: 8 }),
  height: integer({ ...sideRange, multipleOf: 8 }),
  steps: integer({ min: 1, max: 100 }),
  scheduler: text({ min: 1, max: 100 }),
  seed,
  CFGScale: decimal({ min: 0, max: 50 }),
  imageGuidanceScale: decimal({ min: 0, max: 20 }),
  trueCFGScale: decimal({ min: 0, max: 50 }),
  CFGNormalization: decimal({ min: 0, max: 10 }),
  CFGTruncation: decimal({ min: 0, max: 1 }),
  shift: decimal({ min: 0.01, max: 100 }),
  maxSequenceLength: integer({ min: 1, max: 4096 }),
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
      referenceImages: referenceImages('inputs.referenceImages'),
      reference: unsupported(NO_REFERENCES),
      references: unsupported(NO_REFERENCES),
      superResolutionReferences: unsupported(NO_REFERENCES),
    },
    'an object',
  ),
  referenceImages: referenceImages('referenceImages'),
  strength: decimal({ min: 0, max: 1 }),
  maskImage: optionalImage(),
  maskMargin: integer({ min: 32, max: 128 }),
  outpaint,
  lora: weightedModels('lora'),
  lycoris: weightedModels('lycoris'),
  embeddings: weightedModels('embeddings'),
  controlNet: controlNets(),
  ipAdapters: ipAdapters(),
  vae: text({ min: 1, max: 256 }),
  refiner,
  acceleration,
  acceleratorOptions,
  ...delivery,

  // Known, and refused where they would change the picture or promise what does not happen.
  ipAdapter: unsupported('use `ipAdapters`.'),
  hiresFix: unsupported('a second pass is not supported.', isFalse),
  puLID: unsupported(NO_FACES),
  pulid: unsupported(NO_FACES),
  acePlusPlus: unsupported(NO_FACES),
  photoMaker: unsupported(NO_FACES),
  instantID: unsupported(NO_FACES),
  ultralytics: unsupported(NO_FACES),
  layerDiffuse: unsupported('transparent images are not supported.', isFalse),
  advancedFeatures: unsupported('transparent images are not supported.', isHollow),
  settings: unsupported(NOT_HERE, isHollow),
  providerSettings: unsupported(NOT_HERE, isHollow),
  resolution: unsupported('use `width` and `height`.'),
  upscaleFactor: unsupported('use the task `upscale`.', (value) => value === 1),
  watermark: unsupported('watermarks are not supported.', isFalse),
  checkNSFW: unsupported(NO_CHECKER, isFalse),
  safety: unsupported(NO_CHECKER, checksNothing),

  // Known, and the picture is the same without them.
  useCache: ignored('the server caches no results.', isFalse),
  includePayload: ignored('results do not include the request.', isFalse),
  includeGenerationTime: ignored('see the log and the metrics of the server.', isFalse),
};

export const imageInference = taskKind(shape, (parsed, context): ImageInferenceTask => {
  const isBlank = parsed.positivePrompt === BLANK_PROMPT;
  const seedImage = parsed.seedImage ?? parsed.inputs?.seedImage;
  const maskImage = parsed.maskImage ?? parsed.inputs?.maskImage ?? parsed.inputs?.mask;
  const extension = parsed.outpaint && outpaintOf(parsed.outpaint);
  const lora = [...(parsed.lora ?? []), ...(parsed.lycoris ?? [])];
  const task: ImageInferenceTask = {
    taskType: parsed.taskType,
    taskUUID: parsed.taskUUID,
    positivePrompt: isBlank ? '' : parsed.positivePrompt,
    isBlank: isBlank || undefined,
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
    CFGScale: parsed.CFGScale,
    imageGuidanceScale: parsed.imageGuidanceScale,
    trueCFGScale: isBlank ? undefined : parsed.trueCFGScale,
    CFGNormalization: parsed.CFGNormalization,
    CFGTruncation: parsed.CFGTruncation,
    maxSequenceLength: parsed.maxSequenceLength,
    shift: parsed.shift,
    clipSkip: parsed.clipSkip,
    numberResults: parsed.numberResults ?? 1,
    seedImage,
    // What outpainting adds has nothing to keep.
    strength: seedImage === undefined ? undefined : (parsed.strength ?? (extension === undefined ? undefined : 1)),
    referenceImages: parsed.referenceImages ?? parsed.inputs?.referenceImages ?? [],
    maskImage,
    maskMargin: parsed.maskMargin,
    outpaint: extension,
    lora,
    embeddings: parsed.embeddings ?? [],
    controlNet: parsed.controlNet ?? [],
    ipAdapters: parsed.ipAdapters ?? [],
    vae: parsed.vae,
    refiner: parsed.refiner && refinerOf(parsed.refiner, context),
    deepCache: deepCacheOf(parsed.acceleratorOptions, parsed.acceleration, context),
    firstBlockCache: firstBlockCacheOf(parsed.acceleratorOptions, parsed.acceleration, context),
    ...deliveryOf(parsed),
  };
  checkPictures(task, context);
  checkCompanions(task, context);
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
