/** Models that a task names beside its main one: LoRAs, embeddings, ControlNets, a refiner. */
import * as z from 'zod';
import { image } from './images.js';
import { choice, decimal, described, ignored, list, nested, refuse } from './parameters.js';
import { endShape, startShape, stepChoice, stepChoices } from './steps.js';
/** Most LoRAs and LyCORIS together; most embeddings. */
export const MAX_WEIGHTED_MODELS = 16;
export const MAX_CONTROL_NETS = 8;
const modelName = () =>
  described(z.string().min(1).max(256), { type: 'string', rule: 'a string of 1 to 256 characters', min: 1, max: 256 });
/** `lora`, `lycoris` and `embeddings`. */
export const weightedModels = (name) =>
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
      keys: 'model, guideImage, weight, startStep, startStepPercentage, endStep, endStepPercentage and controlMode',
    },
    ({ model, guideImage, weight = 1, controlMode = 'balanced', ...places }, context) => {
      const { startStep, startStepPercentage, endStep, endStepPercentage } = places;
      const { start, end } = stepChoices({ startStep, startStepPercentage, endStep, endStepPercentage }, [], context);
      return { model, guideImage, weight, start, end, controlMode };
    },
  );
export const refiner = nested(
  { model: modelName(), ...startShape({ minStep: 2, minPercentage: 1 }) },
  'an object of model and startStep or startStepPercentage',
);
export function refinerOf(parsed, context) {
  const { model, startStep, startStepPercentage } = parsed;
  const start = stepChoice('startStep', { step: startStep, percentage: startStepPercentage }, ['refiner'], context);
  return { model, start };
}
/** What companions ask of each other and, where it is known, of `steps`. */
export function checkCompanions(task, context) {
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
//# sourceMappingURL=companions.js.map
