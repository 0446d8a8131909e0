/** `acceleratorOptions`: pictures in less time, at some loss. */

import type * as z from 'zod';
import { boolean, integer, nested } from './parameters.ts';
import { endShape, type StepChoice, startShape, stepChoices } from './steps.ts';

/** Steps between whole ones, in which only the outermost layers of the network run. */
export interface DeepCache {
  /** Every so many steps, one is whole; 1 is all of them. */
  interval: number;
  /** Absent: from the first step. */
  start?: StepChoice | undefined;
  /** Absent: up to the last step. */
  end?: StepChoice | undefined;
}

const { startStep, startStepPercentage } = startShape({ minStep: 1, minPercentage: 0 });

/** What else Runware has here is for models of other families, and is read over. */
export const acceleratorOptions = nested(
  {
    deepCache: boolean(false),
    deepCacheInterval: integer({ min: 1, max: 100, default: 3 }),
    deepCacheBranchId: integer({ min: 0, max: 100, default: 0 }),
    cacheStartStep: startStep,
    cacheStartStepPercentage: startStepPercentage,
    cacheEndStep: endShape.endStep,
    cacheEndStepPercentage: endShape.endStepPercentage,
  },
  'an object of deepCache, deepCacheInterval, cacheStartStep, cacheStartStepPercentage, cacheEndStep, cacheEndStepPercentage',
);

/** Absent where it was not asked for. `deepCacheBranchId` says nothing: there is one branch, 0. */
export function deepCacheOf(
  parsed: NonNullable<z.output<typeof acceleratorOptions>>,
  context: z.RefinementCtx,
): DeepCache | undefined {
  if (!parsed.deepCache) return undefined;
  const { deepCacheInterval: interval = 3 } = parsed;
  const places = {
    startStep: parsed.cacheStartStep,
    startStepPercentage: parsed.cacheStartStepPercentage,
    endStep: parsed.cacheEndStep,
    endStepPercentage: parsed.cacheEndStepPercentage,
  };
  const names = ['cacheStartStep', 'cacheEndStep'] as const;
  return { interval, ...stepChoices(places, ['acceleratorOptions'], context, names) };
}
