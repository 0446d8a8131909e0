import type { StoredTensors } from '../files/safetensors.ts';
/** Whether these are the tensors of a FLUX.2 transformer, in the original layout or in that of diffusers. */
export declare function isFlux2Transformer(tensors: StoredTensors): boolean;
/**
 * The tensors of a FLUX.2 transformer under their names in diffusers. Those that have them keep them; queries, keys and
 * values that lie in one matrix are taken from it by their rows.
 */
export declare function flux2TransformerTensors(stored: StoredTensors): StoredTensors;
/**
 * The names that LoRAs in the original layout give a module of the transformer: `double_blocks.0.img_attn.qkv` for its
 * queries, of which they are the first rows. None for the final modulation, whose rows are in another order there.
 *
 * @param width - channels of the transformer (heads · channels of a head)
 */
export declare function flux2LoraAliases(
  path: string,
  width: number,
): {
  name: string;
  rows?: readonly [number, number];
}[];
