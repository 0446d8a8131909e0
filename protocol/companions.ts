/** Models that a task names beside its main one: LoRAs, embeddings, ControlNets, IP-Adapters, a refiner. */

import * as z from 'zod';
import type { DeepCache } from './acceleration.ts';
import { type ImageReference, image, optionalImage } from './images.ts';
import { choice, decimal, described, ignored, list, nested, refuse } from './parameters.ts';
import { type ReferenceImage, referenceImages } from './references.ts';
import { endShape, type StepChoice, startShape, stepChoice, stepChoices } from './steps.ts';

/** A LoRA or embedding. */
export interface WeightedModel {
  /** AIR or alias. */
  model: string;
  /** −4 to 4. */
  weight: number;
  /** Its path in the task, for errors. */
  parameter: string;
}

/** A second model that starts at a late step. */
export interface Refiner {
  /** AIR or alias. */
  model: string;
  /** Absent: the server's default. */
  start?: StepChoice | undefined;
}

/** A ControlNet and its guide image. */
export interface ControlNet {
  model: string;
  guideImage: ImageReference;
  /** 0 to 1. */
  weight: number;
  /** Absent: from the first step. */
  start?: StepChoice | undefined;
  /** Absent: up to the last step. */
  end?: StepChoice | undefined;
  /** Whether prompt and guide image have equal influence, or one has more. */
  controlMode: 'balanced' | 'prompt' | 'controlnet';
  /** Kind of the guide image, for a union ControlNet. */
  unionMode?: UnionMode | undefined;
  /** Its path in the task, for errors. */
  parameter: string;
}

/** Pictures as a prompt, and the model that reads them. */
export interface IpAdapter {
  model: string;
  /** One or more; each has its path in the adapter, for errors. */
  guideImages: ReferenceImage[];
  /** −2 to 2. */
  weight: number;
  /** Absent: the default; models that take none of these refuse them. */
  weightType?: WeightType | undefined;
  /** 0 to 1. */
  weightComposition?: number | undefined;
  embedScaling?: EmbedScaling | undefined;
  combineMethod?: CombineMethod | undefined;
  /** Its path in the task, for errors. */
  parameter: string;
}

/** How much each attention of the UNet counts. */
export const weightTypes = [
  'normal',
  'ease_in',
  'ease_out',
  'ease_in_out',
  'weak_input',
  'weak_output',
  'weak_middle',
  'strong_middle',
  'style_transfer',
  'composition',
  'strong_style_transfer',
  'style_and_composition',
  'strong_style_and_composition',
] as const;
export type WeightType = (typeof weightTypes)[number];

/** What the weight multiplies. */
export const embedScalings = ['only_v', 'kv', 'kv_penalty_c', 'k_mean_v_penalty_c'] as const;
export type EmbedScaling = (typeof embedScalings)[number];

/** How several pictures become one prompt. */
export const combineMethods = ['concat', 'add', 'subtract', 'average', 'norm_average'] as const;
export type CombineMethod = (typeof combineMethods)[number];

/** Kinds of guide images of FLUX.1's union ControlNets, in their training order. */
export const unionModes = ['canny', 'tile', 'depth', 'blur', 'pose', 'gray', 'lowQuality'] as const;
export type UnionMode = (typeof unionModes)[number];

/** Maximum number of LoRAs and LyCORIS together, and of embeddings. */
export const MAX_WEIGHTED_MODELS = 16;
export const MAX_CONTROL_NETS = 8;
export const MAX_IP_ADAPTERS = 4;
/** Of one IP-Adapter. */
export const MAX_GUIDE_IMAGES = 8;

const modelName = () =>
  described(z.string().min(1).max(256), { type: 'string', rule: 'a string of 1 to 256 characters', min: 1, max: 256 });

/** `lora`, `lycoris` and `embeddings`. */
export const weightedModels = (name: string) =>
  list(
    name,
    {
      model: modelName(),
      weight: decimal({ min: -4, max: 4, default: 1 }),
      transformer: ignored('models with two transformers are not supported.'),
    },
    { max: MAX_WEIGHTED_MODELS, keys: 'model and weight' },
    ({ model, weight = 1 }) => ({ model, weight }),
  );

export const ipAdapters = () =>
  list(
    'ipAdapters',
    {
      model: modelName(),
      guideImage: optionalImage(),
      guideImages: referenceImages('guideImages', MAX_GUIDE_IMAGES),
      weight: decimal({ min: -2, max: 2, default: 1 }),
      weightType: choice(weightTypes, 'normal'),
      weightComposition: decimal({ min: 0, max: 1, default: 1 }),
      embedScaling: choice(embedScalings, 'kv'),
      combineMethod: choice(combineMethods, 'concat'),
    },
    {
      max: MAX_IP_ADAPTERS,
      keys: 'model, guideImages, weight, weightType, weightComposition, embedScaling and combineMethod',
    },
    ({ model, guideImage, guideImages, weight = 1, ...options }, context): Omit<IpAdapter, 'parameter'> => {
      const old = guideImage && [{ image: guideImage, parameter: 'guideImage' }];
      const images = guideImages ?? old;
      if (images === undefined) {
        refuse(context, 'invalid', ['guideImages'], 'An entry of `ipAdapters` needs `guideImages`.');
        return z.NEVER;
      }
      return { model, guideImages: images, weight, ...options };
    },
  );

export const controlNets = () =>
  list(
    'controlNet',
    {
      model: modelName(),
      guideImage: image(),
      weight: decimal({ min: 0, max: 1, default: 1 }),
      ...startShape({ minStep: 1, minPercentage: 0 }),
      ...endShape,
      controlMode: choice(['balanced', 'prompt', 'controlnet'], 'balanced'),
      unionMode: choice(unionModes),
      ...Object.fromEntries(
        [
          'preprocessor',
          'preProcessorType',
          'lowThresholdCanny',
          'highThresholdCanny',
          'includeHandsAndFaceOpenPose',
        ].map((key) => [key, ignored('the server does not preprocess guide images.')]),
      ),
    },
    {
      max: MAX_CONTROL_NETS,
      keys: 'model, guideImage, weight, startStep, startStepPercentage, endStep, endStepPercentage, controlMode and unionMode',
    },
    (
      { model, guideImage, weight = 1, controlMode = 'balanced', unionMode, ...places },
      context,
    ): Omit<ControlNet, 'parameter'> => {
      const { startStep, startStepPercentage, endStep, endStepPercentage } = places;
      const { start, end } = stepChoices({ startStep, startStepPercentage, endStep, endStepPercentage }, [], context);
      return { model, guideImage, weight, start, end, controlMode, ...(unionMode !== undefined && { unionMode }) };
    },
  );

export const refiner = nested(
  { model: modelName(), ...startShape({ minStep: 2, minPercentage: 1 }) },
  'an object of model and startStep or startStepPercentage',
);

export function refinerOf(parsed: NonNullable<z.output<typeof refiner>>, context: z.RefinementCtx): Refiner {
  const { model, startStep, startStepPercentage } = parsed;
  const start = stepChoice('startStep', { step: startStep, percentage: startStepPercentage }, ['refiner'], context);
  return { model, start };
}

interface Companions {
  steps?: number | undefined;
  lora: readonly WeightedModel[];
  controlNet: readonly ControlNet[];
  refiner?: Refiner | undefined;
  deepCache?: DeepCache | undefined;
}

/** Checks companions against each other and, if known, against `steps`. */
export function checkCompanions(task: Companions, context: z.RefinementCtx): void {
  const { lora, steps, controlNet, refiner, deepCache } = task;
  if (lora.length > MAX_WEIGHTED_MODELS) {
    const told = `\`lora\` and \`lycoris\` take at most ${MAX_WEIGHTED_MODELS} models together.`;
    refuse(context, 'invalid', ['lycoris'], told);
  }
  if (steps === undefined) return;
  const places = [
    { choice: refiner?.start, path: ['refiner', 'startStep'] },
    { choice: deepCache?.start, path: ['acceleratorOptions', 'cacheStartStep'] },
    { choice: deepCache?.end, path: ['acceleratorOptions', 'cacheEndStep'] },
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
