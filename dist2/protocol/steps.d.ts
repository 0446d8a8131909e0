/** Parts of a run: what begins or ends at a step, or at a percentage of the steps. */
import type * as z from 'zod';
/**
 * A place within all `steps` of a task, also those that image-to-image leaves out. Steps count from 1, as in Runware's
 * API: a `step` is the first one of what begins there, and the last one of what ends there. Percentages are rounded down
 * to whole steps.
 */
export type StepChoice =
  | {
      step: number;
    }
  | {
      percentage: number;
    };
/** Parameters that say where something begins. */
export declare const startShape: (limits: { minStep: number; minPercentage: number }) => {
  startStep: z.ZodOptional<z.ZodInt>;
  startStepPercentage: z.ZodOptional<z.ZodInt>;
};
/** Parameters that say where something ends. */
export declare const endShape: {
  endStep: z.ZodOptional<z.ZodInt>;
  endStepPercentage: z.ZodOptional<z.ZodInt>;
};
/**
 * One of the two ways to say it; refuses both at once.
 *
 * @param name - what says it as a step; with `Percentage` behind it, what says it as a percentage
 */
export declare function stepChoice(
  name: string,
  {
    step,
    percentage,
  }: {
    step: number | undefined;
    percentage: number | undefined;
  },
  path: readonly PropertyKey[],
  context: z.RefinementCtx,
): StepChoice | undefined;
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
export declare function stepChoices(
  { startStep, startStepPercentage, endStep, endStepPercentage }: Places,
  path: readonly PropertyKey[],
  context: z.RefinementCtx,
  [startName, endName]?: readonly [string, string],
): {
  start: StepChoice | undefined;
  end: StepChoice | undefined;
};
/**
 * The steps that lie between two choices, from 0: the first one, and the one after the last. An absent start is the first
 * step, an absent end the last. Nothing lies between where `first` is not below `end`.
 */
export declare function stepRange(
  choices: {
    start?: StepChoice | undefined;
    end?: StepChoice | undefined;
  },
  steps: number,
): {
  first: number;
  end: number;
};
