import type { Pixels } from '../messages.ts';

/** The middle of a picture, its sides multiples of `multiple`, at least one. */
export function croppedTo({ width, height, data }: Pixels, multiple: number): Pixels {
  const fitting = (length: number) => Math.max(multiple, length - (length % multiple));
  const [w, h] = [fitting(width), fitting(height)];
  if (w === width && h === height) return { width, height, data };
  const [left, top] = [Math.floor((width - w) / 2), Math.floor((height - h) / 2)];
  const cropped = new Uint8Array(w * h * 3);
  for (let y = 0; y < h; y++) {
    // A side that is too short repeats its last row or column.
    const row = Math.min(height - 1, Math.max(0, top + y));
    for (let x = 0; x < w; x++) {
      const from = (row * width + Math.min(width - 1, Math.max(0, left + x))) * 3;
      cropped.set(data.subarray(from, from + 3), (y * w + x) * 3);
    }
  }
  return { width: w, height: h, data: cropped };
}
