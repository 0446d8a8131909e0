import { ModelError } from '../files/reading.ts';
import type { Row } from '../run.ts';
import { floats } from '../tensors/tensor.ts';

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
 * @param head - channels of a head, from the weights
 * @throws {ModelError} where the axes of a config do not make up such a head
 */
export function checkAxes(axes: readonly number[], field: string, head: number | undefined): void {
  const sum = axes.reduce((all, channels) => all + channels, 0);
  if (head === undefined || (sum === head && axes.every((channels) => channels % 2 === 0))) return;
  throw new ModelError(
    `its config says ${field}: ${axes.join(', ')}; they must be even and make up a head of ${head} channels.`,
  );
}

/** The inputs `rotary_cos` and `rotary_sin` of a denoiser, for one row of a batch. */
export function rotaryRow(ids: readonly (readonly number[])[], axes: readonly number[], base: number): Row {
  const { cos, sin } = rotaryTables(ids, axes, base);
  const dims = [ids.length, cos.length / ids.length];
  return { rotary_cos: floats(cos, dims), rotary_sin: floats(sin, dims) };
}
