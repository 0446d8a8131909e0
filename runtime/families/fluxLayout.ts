import type { StoredTensor } from '../files/safetensors.ts';
import type { LoraAlias } from './family.ts';
import { fusedAlias, type OriginalTensor, type Renaming, separated } from './originalNames.ts';

/** The modulation of the final layer, in diffusers. */
export const FINAL_MODULATION = 'norm_out.linear';

/** The parts of `img_attn.qkv` and `txt_attn.qkv`. */
const fusedParts = { img: ['to_q', 'to_k', 'to_v'], txt: ['add_q_proj', 'add_k_proj', 'add_v_proj'] };

/** A tensor of FLUX.1 or FLUX.2 under its names in diffusers; those that have them keep them. */
export function fluxRenamed(
  original: OriginalTensor,
  { toDiffusers }: Renaming,
): readonly (readonly [string, StoredTensor])[] {
  const { name, path, part, isRows, tensor } = original;
  const [, block, stream] = /^double_blocks\.(\d+)\.(img|txt)_attn\.qkv$/.exec(path) ?? [];
  if (stream) {
    const modules = fusedParts[stream as keyof typeof fusedParts];
    return separated(
      original,
      modules.map((module) => `transformer_blocks.${block}.attn.${module}`),
    );
  }
  const renamed = toDiffusers(path);
  if (renamed === undefined) return [[name, tensor]];
  if (/_norm$/.test(path)) return [[`${renamed}.weight`, tensor]];
  // The original's final layer has its shift before its scale.
  const swapped = renamed === FINAL_MODULATION && isRows;
  return [[`${renamed}.${part}`, swapped ? { ...tensor, swapped } : tensor]];
}

/**
 * The names that LoRAs in the original layout give a module of FLUX.1 or FLUX.2: `double_blocks.0.img_attn.qkv` for its
 * queries, of which they are the first rows. None for the final modulation, whose rows are in another order there.
 *
 * @param width - channels of the transformer (heads · channels of a head)
 */
export function fluxAliases(path: string, width: number, { toOriginal }: Renaming): LoraAlias[] {
  const [, block, module] = /^transformer_blocks\.(\d+)\.attn\.(.+)$/.exec(path) ?? [];
  for (const [stream, parts] of Object.entries(fusedParts)) {
    const index = parts.indexOf(module ?? '');
    if (index >= 0) return [fusedAlias(`double_blocks.${block}.${stream}_attn.qkv`, index, width)];
  }
  const original = path === FINAL_MODULATION ? undefined : toOriginal(path);
  return original === undefined ? [] : [{ name: original }];
}
