/** `acceleratorOptions`: pictures in less time, at some loss. */
import type * as z from 'zod';
import { type StepChoice } from './steps.ts';
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
/** Steps from one whole step to the next. */
declare const presets: {
  readonly none: 1;
  readonly low: 2;
  readonly medium: 3;
  readonly high: 5;
};
export declare const acceleration: z.ZodOptional<
  z.ZodPipe<z.ZodString, z.ZodTransform<'high' | 'low' | 'medium' | 'none', string>>
>;
export declare const acceleratorOptions: z.ZodOptional<
  z.ZodPreprocess<
    z.ZodObject<
      {
        deepCache: z.ZodOptional<z.ZodBoolean>;
        deepCacheInterval: z.ZodOptional<z.ZodInt>;
        deepCacheBranchId: z.ZodOptional<z.ZodInt>;
        cacheStartStep: z.ZodOptional<z.ZodInt>;
        cacheStartStepPercentage: z.ZodOptional<z.ZodInt>;
        cacheEndStep: z.ZodOptional<z.ZodInt>;
        cacheEndStepPercentage: z.ZodOptional<z.ZodInt>;
      },
      z.core.$strip
    >,
    unknown
  >
>;
/** Absent where it was not asked for. What `acceleratorOptions` says of `deepCache` counts, whatever the preset. */
export declare function deepCacheOf(
  parsed: z.output<typeof acceleratorOptions>,
  preset: keyof typeof presets | undefined,
  context: z.RefinementCtx,
): DeepCache | undefined;
