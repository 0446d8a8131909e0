import { partOf } from '../files/storedRows.js';

/** Modules of a transformer's file in the original layout, and in diffusers. */
const renames = [
  [/^x_embedder\./, 'all_x_embedder.2-1.'],
  [/^final_layer\./, 'all_final_layer.2-1.'],
  [/\.attention\.out\./, '.attention.to_out.0.'],
  [/\.attention\.([qk])_norm\./, '.attention.norm_$1.'],
];
/** Before the names of a transformer that lies in a file with other parts. */
const prefixes = ['model.diffusion_model.', 'diffusion_model.'];
/** Whether these are the tensors of a Z-Image transformer, in the original layout or in that of diffusers. */
export function isZImageTransformer(tensors) {
  const prefix = prefixes.find((each) => tensors.has(`${each}cap_embedder.1.weight`)) ?? '';
  const has = (name) => tensors.has(prefix + name);
  // Lumina 2 has the same names and no learned filling.
  return has('cap_embedder.1.weight') && has('cap_pad_token') && has('context_refiner.0.attention_norm1.weight');
}
/**
 * The tensors of a Z-Image transformer under their names in diffusers. Those that have them keep them; queries, keys and
 * values that lie in one matrix (`attention.qkv`) are taken from it by their rows.
 */
export function zImageTransformerTensors(stored) {
  const tensors = new Map();
  for (const [name, tensor] of stored) {
    const prefix = prefixes.find((each) => name.startsWith(each)) ?? '';
    const own = name.slice(prefix.length);
    // The network has no such layer: the original's final norm has no weights.
    if (own === 'norm_final.weight') continue;
    const fused = /^(.+\.attention)\.qkv\.(.+)$/.exec(own);
    if (fused) {
      for (const [index, which] of ['to_q', 'to_k', 'to_v'].entries()) {
        // What a quantized matrix has beside it, such as one scale, is that of each part.
        const part = isRows(fused[2]) ? partOf(tensor, index, 3, own) : tensor;
        tensors.set(`${fused[1]}.${which}.${fused[2]}`, part);
      }
      continue;
    }
    tensors.set(
      renames.reduce((path, [pattern, renamed]) => path.replace(pattern, renamed), own),
      tensor,
    );
  }
  return tensors;
}
function isRows(part) {
  return part === 'weight' || part === 'bias';
}
/**
 * The names that LoRAs in the original layout give a module of the transformer: `layers.0.attention.qkv` for its queries,
 * of which they are the first rows.
 *
 * @param width - channels of the transformer (`dim`)
 */
export function zImageLoraAliases(path, width) {
  const fused = /^(.+\.attention)\.to_([qkv])$/.exec(path);
  if (fused) {
    const index = 'qkv'.indexOf(fused[2]);
    return [{ name: `${fused[1]}.qkv`, rows: [index * width, (index + 1) * width] }];
  }
  const name = path
    .replace(/^all_x_embedder\.2-1$/, 'x_embedder')
    .replace(/^all_final_layer\.2-1\./, 'final_layer.')
    .replace(/\.attention\.to_out\.0$/, '.attention.out');
  return name === path ? [] : [{ name }];
}
//# sourceMappingURL=zImageKeys.js.map
