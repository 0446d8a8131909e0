/** Models that a task names beside its main one: LoRAs, embeddings, ControlNets, a refiner. */

import * as z from 'zod';
import type { DeepCache } from './acceleration.ts';
import { type ImageReference, image } from './images.ts';
import { choice, decimal, described, ignored, list, nested, refuse } from './parameters.ts';
import { endShape, type StepChoice, startShape, stepChoice, stepChoices } from './steps.ts';

/** A model that acts beside the main one. */
export interface WeightedModel {
  /** AIR or alias. */
  model: string;
  /** −4 to 4. */
  weight: number;
  /** Where the client wrote it, for errors about it: `lora[0]`, `lycoris[2]`. */
  parameter: string;
}

/** A second model that takes over at a late step. */
export interface Refiner {
  /** AIR or alias. */
  model: string;
  /** Absent: where the server thinks best. */
  start?: StepChoice | undefined;
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
  /** What the guide image is, for a network of several kinds. */
  unionMode?: UnionMode | undefined;
  /** Where the client wrote it, for errors about it: `controlNet[0]`. */
  parameter: string;
}

/** A picture that is read like words of the prompt, and the model that makes words of it. */
export interface IpAdapter {
  model: string;
  guideImage: ImageReference;
  /** 0 to 2. */
  weight: number;
  /** Where the client wrote it, for errors about it: `ipAdapters[0]`. */
  parameter: string;
}

/** Guide images that FLUX.1's unions of ControlNets know, in the order in which they were trained. */
export const unionModes = ['canny', 'tile', 'depth', 'blur', 'pose', 'gray', 'lowQuality'] as const;
export type UnionMode = (typeof unionModes)[number];

/** Most LoRAs and LyCORIS together; most embeddings. */
export const MAX_WEIGHTED_MODELS = 16;
export const MAX_CONTROL_NETS = 8;
export const MAX_IP_ADAPTERS = 4;

const modelName = () =>
  described(z.string().min(1).max(256), { type: 'string', rule: 'a string of 1 to 256 characters', min: 1, max: 256 });

/** `lora`, `lycoris` and `embeddings`. */
export const weightedModels = (name: string) =>
  list(
    name,
    {
      model: modelName(),
      weight: decimal({ min: -4, max: 4, default: 1 }),
      transformer: ignored('models with two transformers are not available.'),
    },
    { max: MAX_WEIGHTED_MODELS, keys: 'model and weight' },
    ({ model, weight = 1 }) => ({ model, weight }),
  );

export const ipAdapters = () =>
  list(
    'ipAdapters',
    { model: modelName(), guideImage: image(), weight: decimal({ min: 0, max: 2, default: 1 }) },
    { max: MAX_IP_ADAPTERS, keys: 'model, guideImage and weight' },
    ({ model, guideImage, weight = 1 }): Omit<IpAdapter, 'parameter'> => ({ model, guideImage, weight }),
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
        ].map((key) => [key, ignored('guide images are taken as they are, not preprocessed.')]),
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

/** What companions ask of each other and, where it is known, of `steps`. */
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
