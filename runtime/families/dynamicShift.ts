import type { Config, ModelConfigs } from './family.ts';

/** What the scheduler of diffusers has where its config does not say it. */
const LINE = { base_image_seq_len: 256, base_shift: 0.5, max_image_seq_len: 4096, max_shift: 1.15 };

/**
 * The shift that a scheduler with `use_dynamic_shifting` is given for a picture of that size, as `mu` of `FlowSchedule`: a line
 * over the number of tokens, also beyond the two points that it is drawn through. Undefined: its own shift is not dynamic.
 */
export function dynamicShift(
  { configs: { scheduler }, sizeMultiple }: ModelConfigs,
  { width, height }: { width: number; height: number },
): number | undefined {
  if (!isDynamic(scheduler)) return undefined;
  const of = (field: keyof typeof LINE) => (scheduler[field] as number | null | undefined) ?? LINE[field];
  const slope = (of('max_shift') - of('base_shift')) / (of('max_image_seq_len') - of('base_image_seq_len'));
  return of('base_shift') + slope * ((width * height) / sizeMultiple ** 2 - of('base_image_seq_len'));
}

/** Whether a scheduler reads the shift that its pipeline computes, and not its own. */
export function isDynamic(scheduler: Config): boolean {
  return scheduler.use_dynamic_shifting === true;
}
