import type { StoredTensors } from '../files/safetensors.ts';
import type { LoraAlias } from './family.ts';
import { fusedAlias, holds, renamedTensors, separated } from './originalNames.ts';

/** Modules of a transformer's file in the original layout, and in diffusers. */
const renames: readonly (readonly [RegExp, string])[] = [
  [/^x_embedder\./, 'all_x_embedder.2-1.'],
  [/^final_layer\./, 'all_final_layer.2-1.'],
  [/\.attention\.out\./, '.attention.to_out.0.'],
  [/\.attention\.([qk])_norm\./, '.attention.norm_$1.'],
];

/** Whether these are the tensors of a Z-Image transformer, in the original layout or in that of diffusers. */
export function isZImageTransformer(tensors: StoredTensors): boolean {
  // Lumina 2 has the same names and no learned filling.
  const names = ['cap_embedder.1.weight', 'cap_pad_token', 'context_refiner.0.attention_norm1.weight'];
  return names.every((name) => holds(tensors, name));
}

/**
 * The tensors of a Z-Image transformer under their names in diffusers. Those that have them keep them; queries, keys and
 * values that lie in one matrix (`attention.qkv`) are taken from it by their rows.
 */
export function zImageTransformerTensors(stored: StoredTensors): StoredTensors {
  return renamedTensors(stored, (original) => {
    const { name, path, tensor } = original;
    // The network has no such layer: the original's final norm has no weights.
    if (name === 'norm_final.weight') return [];
    const [, attention] = /^(.+\.attention)\.qkv$/.exec(path) ?? [];
    if (attention) {
      return separated(
        original,
        ['to_q', 'to_k', 'to_v'].map((module) => `${attention}.${module}`),
      );
    }
    return [[renames.reduce((all, [pattern, renamed]) => all.replace(pattern, renamed), name), tensor]];
  });
}

/**
 * The names that LoRAs in the original layout give a module of the transformer: `layers.0.attention.qkv` for its queries,
 * of which they are the first rows.
 *
 * @param width - channels of the transformer (`dim`)
 */
export function zImageLoraAliases(path: string, width: number): LoraAlias[] {
  const fused = /^(.+\.attention)\.to_([qkv])$/.exec(path);
  if (fused) {
    const index = 'qkv'.indexOf(fused[2]!);
    return [fusedAlias(`${fused[1]}.qkv`, index, width)];
  }
  const name = path
    .replace(/^all_x_embedder\.2-1$/, 'x_embedder')
    .replace(/^all_final_layer\.2-1\./, 'final_layer.')
    .replace(/\.attention\.to_out\.0$/, '.attention.out');
  return name === path ? [] : [{ name }];
}
