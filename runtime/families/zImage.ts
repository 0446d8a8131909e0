import { Z_IMAGE_MULTIPLE } from '../graphs/zImageTransformer.ts';

/**
 * Positions of Z-Image's joint sequence, three axes each: the patches and their filling, then the caption and its filling.
 *
 * @param rows - of patches, half the height of the latents
 * @param columns - of patches
 * @param length - real tokens of the caption
 */
export function zImagePositions(rows: number, columns: number, length: number): [number, number, number][] {
  const filled = (count: number) => Math.ceil(count / Z_IMAGE_MULTIPLE) * Z_IMAGE_MULTIPLE;
  const caption = filled(length);
  const positions: [number, number, number][] = [];
  // The picture comes after the caption on the first axis, though before it in the sequence.
  for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) positions.push([1 + caption, y, x]);
  while (positions.length < filled(rows * columns)) positions.push([0, 0, 0]);
  for (let at = 0; at < caption; at++) positions.push([1 + at, 0, 0]);
  return positions;
}
