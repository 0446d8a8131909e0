/** `acceleratorOptions`: caches that save time and change the picture slightly. */

import type * as z from 'zod';
import { boolean, choice, decimal, ignored, integer, isFalse, nested } from './parameters.ts';
import { endShape, type StepChoice, startShape, stepChoices } from './steps.ts';

/** DeepCache: some steps run only the outermost layers of the UNet. */
export interface DeepCache {
  /** One of this many steps is whole; with 1, all are. */
  interval: number;
  /** Absent: from the first step. */
  start?: StepChoice | undefined;
  /** Absent: up to the last step. */
  end?: StepChoice | undefined;
  /** It comes from `acceleration`; a model without it runs all steps. */
  isPreset?: true;
}

/** First-block cache: some steps run only the first block of a transformer while its residual changes little. */
export interface FirstBlockCache {
  /** Relative change below which the other blocks are skipped, 0 to 1. */
  threshold: number;
  /** Maximum consecutive skipped calls. */
  most: number;
  start?: StepChoice | undefined;
  end?: StepChoice | undefined;
  /** It comes from `acceleration`: see `DeepCache`. */
  isPreset?: true;
}

/** DeepCache intervals, and thresholds for transformers. */
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
      'the server always uses branch 0, the outermost layer.',
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
    teaCacheDistance: ignored('`teaCache` works as `fbCache`; use `fbCacheThreshold`.'),
    ...Object.fromEntries(
      ['dbCache', 'dbCacheThreshold', 'dbCacheSkipInterval'].map((name) => [name, ignored('use `fbCache`.', isFalse)]),
    ),
  },
  'an object of deepCache, deepCacheInterval, fbCache, fbCacheThreshold, cacheMaxConsecutiveSteps, cacheStartStep, cacheStartStepPercentage, cacheEndStep, cacheEndStepPercentage',
);

type Options = z.output<typeof acceleratorOptions>;
type Preset = keyof typeof presets;

/** Absent if not requested. `deepCache` in `acceleratorOptions` overrides the preset. */
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

/** The same for transformers. */
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
