import type { StoredTensors } from '../files/safetensors.ts';
/** Whether these are the tensors of a Z-Image transformer, in the original layout or in that of diffusers. */
export declare function isZImageTransformer(tensors: StoredTensors): boolean;
/**
 * The tensors of a Z-Image transformer under their names in diffusers. Those that have them keep them; queries, keys and
 * values that lie in one matrix (`attention.qkv`) are taken from it by their rows.
 */
export declare function zImageTransformerTensors(stored: StoredTensors): StoredTensors;
/**
 * The names that LoRAs in the original layout give a module of the transformer: `layers.0.attention.qkv` for its queries,
 * of which they are the first rows.
 *
 * @param width - channels of the transformer (`dim`)
 */
export declare function zImageLoraAliases(
  path: string,
  width: number,
): {
  name: string;
  rows?: readonly [number, number];
}[];
