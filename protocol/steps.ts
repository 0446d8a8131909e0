/** Parts of a run: what begins or ends at a step, or at a percentage of the steps. */

import type * as z from 'zod';
import { integer, refuse } from './parameters.ts';

/**
 * A place within all `steps` of a task, also those that image-to-image leaves out. Steps count from 1, as in Runware's
 * API: a `step` is the first one of what begins there, and the last one of what ends there. Percentages are rounded down
 * to whole steps.
 */
export type StepChoice = { step: number } | { percentage: number };

/** The limits of a step where `steps` is not known. */
const MAX_STEPS = 100;

/** Parameters that say where something begins. */
export const startShape = (limits: { minStep: number; minPercentage: number }) => ({
  startStep: integer({ min: limits.minStep, max: MAX_STEPS }),
  startStepPercentage: integer({ min: limits.minPercentage, max: 99 }),
});

/** Parameters that say where something ends. */
export const endShape = {
  endStep: integer({ min: 1, max: MAX_STEPS }),
  endStepPercentage: integer({ min: 1, max: 100 }),
};

/**
 * One of the two ways to say it; refuses both at once.
 *
 * @param name - what says it as a step; with `Percentage` behind it, what says it as a percentage
 */
export function stepChoice(
  name: string,
  { step, percentage }: { step: number | undefined; percentage: number | undefined },
  path: readonly PropertyKey[],
  context: z.RefinementCtx,
): StepChoice | undefined {
  if (step !== undefined && percentage !== undefined) {
    const told = `\`${name}\` and \`${name}Percentage\` exclude each other; leave out one of them.`;
    refuse(context, 'invalid', [...path, `${name}Percentage`], told);
  }
  if (step !== undefined) return { step };
  return percentage === undefined ? undefined : { percentage };
}

/** What begins and ends, as four parameters say it. */
interface Places {
  startStep: number | undefined;
  startStepPercentage: number | undefined;
  endStep: number | undefined;
  endStepPercentage: number | undefined;
}

/**
 * Both ends; refuses one that is said twice, and an end before the start.
 *
 * @param names - of the two parameters that say a step
 */
export function stepChoices(
  { startStep, startStepPercentage, endStep, endStepPercentage }: Places,
  path: readonly PropertyKey[],
  context: z.RefinementCtx,
  [startName, endName]: readonly [string, string] = ['startStep', 'endStep'],
): { start: StepChoice | undefined; end: StepChoice | undefined } {
  const start = stepChoice(startName, { step: startStep, percentage: startStepPercentage }, path, context);
  const end = stepChoice(endName, { step: endStep, percentage: endStepPercentage }, path, context);
  if (startStep !== undefined && endStep !== undefined && startStep > endStep) {
    refuse(context, 'invalid', [...path, endName], `\`${endName}\` must not be below \`${startName}\`.`);
  }
  if (
    startStepPercentage !== undefined &&
    endStepPercentage !== undefined &&
    startStepPercentage >= endStepPercentage
  ) {
    const told = `\`${endName}Percentage\` must be above \`${startName}Percentage\`.`;
    refuse(context, 'invalid', [...path, `${endName}Percentage`], told);
  }
  return { start, end };
}

/**
 * The steps that lie between two choices, from 0: the first one, and the one after the last. An absent start is the first
 * step, an absent end the last. Nothing lies between where `first` is not below `end`.
 */
export function stepRange(
  choices: { start?: StepChoice | undefined; end?: StepChoice | undefined },
  steps: number,
): { first: number; end: number } {
  const { start = { step: 1 }, end = { percentage: 100 } } = choices;
  const first = 'step' in start ? start.step - 1 : Math.floor((steps * start.percentage) / 100);
  const past = 'step' in end ? end.step : Math.floor((steps * end.percentage) / 100);
  return { first, end: Math.min(past, steps) };
}
