import type { StoredTensors } from '../files/safetensors.ts';
/** What of a UNet's config decides how its modules are numbered. */
export interface UNetStructure {
  /** Channels of each level; default Stable Diffusion 1's four levels. */
  block_out_channels?: readonly number[] | undefined;
  /** One number for all levels or one for each; default 2. */
  layers_per_block?: number | readonly number[] | undefined;
  /** Which levels attend (`CrossAttn…`); default all but the last. */
  down_block_types?: readonly string[] | undefined;
  up_block_types?: readonly string[] | undefined;
  [other: string]: unknown;
}
/** A module's path in the original layout, and its path in diffusers. */
export type Rename = readonly [original: string, diffusers: string];
/**
 * How the modules of a UNet are called in the original (CompVis, Stability) layout, without `model.diffusion_model.`, and
 * in diffusers.
 *
 * A pair renames the module and everything inside it: below a transformer (`input_blocks.1.1` ↔
 * `down_blocks.0.attentions.0`) both layouts use the same names. No path of either side lies inside another one.
 * The original counts the blocks of all levels through; diffusers counts levels, and layers in each.
 */
export declare function unetPaths(config: UNetStructure): Generator<Rename>;
/**
 * The path of an autoencoder's module or tensor in diffusers, from its path in the original layout.
 * The decoder's levels are numbered the other way round there: `up.3` is the first that latents go through.
 *
 * @param levels - how many levels the decoder has
 */
export declare function autoencoderPath(original: string, levels: number): string;
/** The tensors of an autoencoder under their names in diffusers. Those that have them keep them. */
export declare function autoencoderTensors(stored: StoredTensors): StoredTensors;
/**
 * The tensors of an OpenCLIP text encoder under the names that transformers gives CLIP's.
 *
 * Queries, keys and values lie below one another in one matrix, and are taken from it by their rows. `text_projection` is
 * a matrix that texts are multiplied with from the left, so it lies transposed, unless it was saved as a linear layer
 * (`text_projection.weight`).
 */
export declare function clipTensors(openClip: StoredTensors): StoredTensors;
