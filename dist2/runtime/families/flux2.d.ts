/** Rows and columns of positions. */
export interface Grid {
  rows: number;
  columns: number;
}
/**
 * Positions of FLUX.2's joint sequence, four axes each (picture, row, column, word): the text, the picture, and the pictures
 * that it refers to.
 */
export declare function flux2Positions(
  length: number,
  picture: Grid,
  references: readonly Grid[],
): [number, number, number, number][];
/** Latents [channels, positions] of pictures as tokens one behind the other: [tokens, channels]. */
export declare function packTokens(pictures: readonly Float32Array[], channels: number): Float32Array;
