/** `acceleratorOptions`: pictures in less time, at some loss. */

import type * as z from 'zod';
import { boolean, choice, decimal, ignored, integer, isFalse, nested } from './parameters.ts';
import { endShape, type StepChoice, startShape, stepChoices } from './steps.ts';

/** Steps between whole ones, in which only the outermost layers of the network run. */
export interface DeepCache {
  /** Every so many steps, one is whole; 1 is all of them. */
  interval: number;
  /** Absent: from the first step. */
  start?: StepChoice | undefined;
  /** Absent: up to the last step. */
  end?: StepChoice | undefined;
  /** It comes from `acceleration`: a wish, which a model without it may leave unfulfilled. */
  isPreset?: true;
}

/** Steps in which a transformer runs its first block alone, while that changes little. */
export interface FirstBlockCache {
  /** Change below which the other blocks are not computed again, 0 to 1. */
  threshold: number;
  /** Most calls in a row that are spared. */
  most: number;
  start?: StepChoice | undefined;
  end?: StepChoice | undefined;
  /** It comes from `acceleration`: see `DeepCache`. */
  isPreset?: true;
}

/** Steps from one whole step to the next, and the thresholds of transformers. */
const presets = {
  none: { interval: 1, threshold: 0 },
  low: { interval: 2, threshold: 0.05 },
  medium: { interval: 3, threshold: 0.1 },
  high: { interval: 5, threshold: 0.2 },
} as const;

export const acceleration = choice(['none', 'low', 'medium', 'high'], 'none');

const { startStep, startStepPercentage } = startShape({ minStep: 1, minPercentage: 0 });

export const acceleratorOptions = nested(
  {
    deepCache: boolean(false),
    deepCacheInterval: integer({ min: 1, max: 100, default: 3 }),
    deepCacheBranchId: ignored(
      'the outermost layer alone is run in between, which is branch 0.',
      (value) => value === 0,
      integer({ min: 0, max: 100, default: 0 }),
    ),
    cacheStartStep: startStep,
    cacheStartStepPercentage: startStepPercentage,
    cacheEndStep: endShape.endStep,
    cacheEndStepPercentage: endShape.endStepPercentage,
    fbCache: boolean(false),
    fbCacheThreshold: decimal({ min: 0, max: 1, default: 0.1 }),
    teaCache: boolean(false),
    cacheMaxConsecutiveSteps: integer({ min: 1, max: 5, default: 3 }),
    teaCacheDistance: ignored('`teaCache` is done as `fbCache`; say `fbCacheThreshold`.'),
    ...Object.fromEntries(
      ['dbCache', 'dbCacheThreshold', 'dbCacheSkipInterval'].map((name) => [
        name,
        ignored('`fbCache` is there instead.', isFalse),
      ]),
    ),
  },
  'an object of deepCache, deepCacheInterval, fbCache, fbCacheThreshold, cacheMaxConsecutiveSteps, cacheStartStep, cacheStartStepPercentage, cacheEndStep, cacheEndStepPercentage',
);

type Options = z.output<typeof acceleratorOptions>;
type Preset = keyof typeof presets;

/** Absent where it was not asked for. What `acceleratorOptions` says of `deepCache` counts, whatever the preset. */
export function deepCacheOf(
  parsed: Options,
  preset: Preset | undefined,
  context: z.RefinementCtx,
): DeepCache | undefined {
  if (isPresetAlone(parsed?.deepCache, preset)) return { interval: presets[preset].interval, isPreset: true };
  if (!parsed?.deepCache) return undefined;
  const { deepCacheInterval: interval = 3 } = parsed;
  return { interval, ...placesOf(parsed, context) };
}

/** The same for models that are transformers. */
export function firstBlockCacheOf(
  parsed: Options,
  preset: Preset | undefined,
  context: z.RefinementCtx,
): FirstBlockCache | undefined {
  const asked = parsed?.fbCache ?? parsed?.teaCache;
  const most = parsed?.cacheMaxConsecutiveSteps ?? 3;
  if (isPresetAlone(asked, preset)) return { threshold: presets[preset].threshold, most, isPreset: true };
  if (!parsed || !asked) return undefined;
  return { threshold: parsed.fbCacheThreshold ?? 0.1, most, ...placesOf(parsed, context) };
}

function isPresetAlone(asked: boolean | undefined, preset: Preset | undefined): preset is Exclude<Preset, 'none'> {
  return asked === undefined && preset !== undefined && preset !== 'none';
}

function placesOf(parsed: NonNullable<Options>, context: z.RefinementCtx) {
  const places = {
    startStep: parsed.cacheStartStep,
    startStepPercentage: parsed.cacheStartStepPercentage,
    endStep: parsed.cacheEndStep,
    endStepPercentage: parsed.cacheEndStepPercentage,
  };
  return stepChoices(places, ['acceleratorOptions'], context, ['cacheStartStep', 'cacheEndStep'] as const);
}
