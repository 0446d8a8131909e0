import { ModelError } from '../files/reading.ts';
import type { Row } from '../run.ts';
import { floats } from '../tensors/tensor.ts';
import type { Corrections } from './family.ts';

/** Rows and columns of positions. */
export interface Grid {
  rows: number;
  columns: number;
}

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
export function rotaryTables(ids: readonly (readonly number[])[], axes: readonly number[], base: number): RotaryTables {
  const half = axes.reduce((sum, channels) => sum + channels / 2, 0);
  const cos = new Float32Array(ids.length * half);
  const sin = new Float32Array(ids.length * half);
  // Angles have float64's precision, as in diffusers: positions of large pictures lose a digit in float32.
  const frequencies = axes.map((channels) =>
    Array.from({ length: channels / 2 }, (_, i) => base ** ((-2 * i) / channels)),
  );
  let at = 0;
  for (const position of ids) {
    for (const [axis, own] of frequencies.entries()) {
      for (const frequency of own) {
        const angle = position[axis]! * frequency;
        cos[at] = Math.cos(angle);
        sin[at++] = Math.sin(angle);
      }
    }
  }
  return { cos, sin };
}

/**
 * @param count - coordinates of a position
 * @param head - channels of a head, from the weights
 * @throws {ModelError} where the axes of a config do not make up such a head
 */
export function checkAxes(axes: readonly number[], field: string, count: number, head: number | undefined): void {
  if (head === undefined || fits(axes, head)) {
    if (axes.length <= count) return;
    throw new ModelError(`its config says ${field}: ${axes.join(', ')}; positions have ${count} coordinates only.`);
  }
  throw new ModelError(
    `its config says ${field}: ${axes.join(', ')}; they must be even and make up a head of ${head} channels.`,
  );
}

/**
 * The axes of a model whose file has no config, by the shares that published models have.
 *
 * @param shares - of a head, together 1
 * @throws {ModelError} for a head that cannot be shared like that
 */
export function sharedAxes(
  shares: readonly number[],
  field: string,
  head: number,
  { own, where }: Corrections,
): readonly number[] {
  const axes = shares.map((share) => share * head);
  if (own[field] !== undefined || fits(axes, head)) return axes;
  throw new ModelError(
    `its heads have ${head} channels, and the file cannot say which axis takes how many: give its ${field} under ${where}.`,
  );
}

function fits(axes: readonly number[], head: number): boolean {
  return axes.reduce((all, channels) => all + channels, 0) === head && axes.every((channels) => channels % 2 === 0);
}

/** The inputs `rotary_cos` and `rotary_sin` of a denoiser, for one row of a batch. */
export function rotaryRow(ids: readonly (readonly number[])[], axes: readonly number[], base: number): Row {
  const { cos, sin } = rotaryTables(ids, axes, base);
  const dims = [ids.length, cos.length / ids.length];
  return { rotary_cos: floats(cos, dims), rotary_sin: floats(sin, dims) };
}
