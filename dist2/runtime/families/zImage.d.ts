import type { Family, ModelFile } from './family.ts';
/**
 * Z-Image and Z-Image-Turbo: one Qwen3 encoder, whose last layer is not used, and a transformer that reads caption and picture
 * as one sequence. The template leaves the model room to think.
 */
export declare const zImage: Family;
/** The tensors of a Qwen3 encoder in an all-in-one file. */
export declare function textEncoderIn(tensors: ModelFile['tensors']): ModelFile['tensors'];
/**
 * Positions of Z-Image's joint sequence, three axes each: the patches and their filling, then the caption and its filling.
 *
 * @param rows - of patches, half the height of the latents
 * @param columns - of patches
 * @param length - real tokens of the caption
 */
export declare function zImagePositions(rows: number, columns: number, length: number): [number, number, number][];
