import type { Row } from '../run.ts';
/** Cosines and sines for one row of a batch, [positions, head / 2] each. */
export interface RotaryTables {
  cos: Float32Array;
  sin: Float32Array;
}
/**
 * Rotary embedding over several axes: each axis rotates its own channels of a head by its coordinate.
 *
 * @param ids - coordinates of each position, as many as there are axes
 * @param axes - channels of each axis, all even; together those of a head
 * @param base - frequency i of an axis of d channels is base^(-2 i / d)
 */
export declare function rotaryTables(
  ids: readonly (readonly number[])[],
  axes: readonly number[],
  base: number,
): RotaryTables;
/** The inputs `rotary_cos` and `rotary_sin` of a denoiser, for one row of a batch. */
export declare function rotaryRow(ids: readonly (readonly number[])[], axes: readonly number[], base: number): Row;
