/** `acceleratorOptions`: pictures in less time, at some loss. */
import { boolean, choice, ignored, integer, isFalse, nested } from './parameters.js';
import { endShape, startShape, stepChoices } from './steps.js';

/** Steps from one whole step to the next. */
const presets = { none: 1, low: 2, medium: 3, high: 5 };
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
    ...Object.fromEntries(
      [
        'teaCache',
        'teaCacheDistance',
        'fbCache',
        'fbCacheThreshold',
        'dbCache',
        'dbCacheThreshold',
        'dbCacheSkipInterval',
        'cacheMaxConsecutiveSteps',
      ].map((name) => [name, ignored('it is for models of other families; `deepCache` is there.', isFalse)]),
    ),
  },
  'an object of deepCache, deepCacheInterval, cacheStartStep, cacheStartStepPercentage, cacheEndStep, cacheEndStepPercentage',
);
/** Absent where it was not asked for. What `acceleratorOptions` says of `deepCache` counts, whatever the preset. */
export function deepCacheOf(parsed, preset, context) {
  if (parsed?.deepCache === undefined && preset !== undefined && preset !== 'none') {
    return { interval: presets[preset], isPreset: true };
  }
  if (!parsed?.deepCache) return undefined;
  const { deepCacheInterval: interval = 3 } = parsed;
  const places = {
    startStep: parsed.cacheStartStep,
    startStepPercentage: parsed.cacheStartStepPercentage,
    endStep: parsed.cacheEndStep,
    endStepPercentage: parsed.cacheEndStepPercentage,
  };
  const names = ['cacheStartStep', 'cacheEndStep'];
  return { interval, ...stepChoices(places, ['acceleratorOptions'], context, names) };
}
//# sourceMappingURL=acceleration.js.map
