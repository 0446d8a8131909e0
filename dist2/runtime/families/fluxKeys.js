import { ModelError } from '../files/reading.js';
import { partOf, rowsOf } from '../files/storedRows.js';
import { renamingBy } from './originalNames.js';

/** The modulation of the final layer, in diffusers. */
const FINAL_MODULATION = 'norm_out.linear';
/** Fused modules are not among them. */
const modules = [
  ['img_in', 'x_embedder'],
  ['txt_in', 'context_embedder'],
  ['time_in.in_layer', 'time_text_embed.timestep_embedder.linear_1'],
  ['time_in.out_layer', 'time_text_embed.timestep_embedder.linear_2'],
  ['vector_in.in_layer', 'time_text_embed.text_embedder.linear_1'],
  ['vector_in.out_layer', 'time_text_embed.text_embedder.linear_2'],
  ['guidance_in.in_layer', 'time_text_embed.guidance_embedder.linear_1'],
  ['guidance_in.out_layer', 'time_text_embed.guidance_embedder.linear_2'],
  ['double_blocks.*.img_mod.lin', 'transformer_blocks.*.norm1.linear'],
  ['double_blocks.*.txt_mod.lin', 'transformer_blocks.*.norm1_context.linear'],
  ['double_blocks.*.img_attn.proj', 'transformer_blocks.*.attn.to_out.0'],
  ['double_blocks.*.txt_attn.proj', 'transformer_blocks.*.attn.to_add_out'],
  ['double_blocks.*.img_attn.norm.query_norm', 'transformer_blocks.*.attn.norm_q'],
  ['double_blocks.*.img_attn.norm.key_norm', 'transformer_blocks.*.attn.norm_k'],
  ['double_blocks.*.txt_attn.norm.query_norm', 'transformer_blocks.*.attn.norm_added_q'],
  ['double_blocks.*.txt_attn.norm.key_norm', 'transformer_blocks.*.attn.norm_added_k'],
  ['double_blocks.*.img_mlp.0', 'transformer_blocks.*.ff.net.0.proj'],
  ['double_blocks.*.img_mlp.2', 'transformer_blocks.*.ff.net.2'],
  ['double_blocks.*.txt_mlp.0', 'transformer_blocks.*.ff_context.net.0.proj'],
  ['double_blocks.*.txt_mlp.2', 'transformer_blocks.*.ff_context.net.2'],
  ['single_blocks.*.modulation.lin', 'single_transformer_blocks.*.norm.linear'],
  ['single_blocks.*.linear2', 'single_transformer_blocks.*.proj_out'],
  ['single_blocks.*.norm.query_norm', 'single_transformer_blocks.*.attn.norm_q'],
  ['single_blocks.*.norm.key_norm', 'single_transformer_blocks.*.attn.norm_k'],
  ['final_layer.linear', 'proj_out'],
  ['final_layer.adaLN_modulation.1', FINAL_MODULATION],
];
const { toDiffusers, toOriginal } = renamingBy(modules);
/** The parts of `img_attn.qkv` and `txt_attn.qkv`. */
const fusedParts = { img: ['to_q', 'to_k', 'to_v'], txt: ['add_q_proj', 'add_k_proj', 'add_v_proj'] };
/** The parts of `linear1` of a single block: three as wide as the transformer, and the rest. */
const singleParts = ['attn.to_q', 'attn.to_k', 'attn.to_v', 'proj_mlp'];
/** How many times as wide as the transformer its feed-forward layers are. */
const MLP_RATIO = 4;
/** Before the names of a transformer that lies in a file with other parts. */
const prefixes = ['model.diffusion_model.', 'diffusion_model.'];
/** Whether these are the tensors of a FLUX.1 transformer, in the original layout or in that of diffusers. */
export function isFluxTransformer(tensors) {
  return ['', ...prefixes].some((prefix) =>
    ['single_blocks.0.modulation.lin', 'single_transformer_blocks.0.norm.linear'].some((module) =>
      tensors.has(`${prefix}${module}.weight`),
    ),
  );
}
/**
 * The tensors of a FLUX.1 transformer under their names in diffusers. Those that have them keep them; matrices that lie in
 * one are taken from it by their rows.
 */
export function fluxTransformerTensors(stored) {
  const tensors = new Map();
  for (const [name, tensor] of stored) {
    const prefix = prefixes.find((each) => name.startsWith(each)) ?? '';
    const own = name.slice(prefix.length);
    const at = own.lastIndexOf('.');
    const [path, part] = [own.slice(0, at), own.slice(at + 1)];
    // What a quantized matrix has beside it, such as one scale, is that of each part.
    const isRows = part === 'weight' || part === 'bias';
    const fused = /^double_blocks\.(\d+)\.(img|txt)_attn\.qkv$/.exec(path);
    const [, single] = /^single_blocks\.(\d+)\.linear1$/.exec(path) ?? [];
    if (fused) {
      for (const [index, module] of fusedParts[fused[2]].entries()) {
        const rows = isRows ? partOf(tensor, index, 3, own) : tensor;
        tensors.set(`transformer_blocks.${fused[1]}.attn.${module}.${part}`, rows);
      }
    } else if (single !== undefined) {
      const [rows = 0, width = 0] = stored.get(`${prefix}${path}.weight`)?.shape ?? [];
      if (rows <= 3 * width) throw new ModelError(`${path} has ${rows} rows, so no feed-forward part.`);
      for (const [index, module] of singleParts.entries()) {
        const to = index === 3 ? rows : (index + 1) * width;
        const cut = isRows ? rowsOf(tensor, index * width, to) : tensor;
        tensors.set(`single_transformer_blocks.${single}.${module}.${part}`, cut);
      }
    } else {
      const renamed = toDiffusers(path);
      if (renamed === undefined) tensors.set(own, tensor);
      else if (/_norm$/.test(path)) tensors.set(`${renamed}.weight`, tensor);
      // The original's final layer has its shift before its scale.
      else
        tensors.set(
          `${renamed}.${part}`,
          renamed === FINAL_MODULATION && isRows ? { ...tensor, swapped: true } : tensor,
        );
    }
  }
  return tensors;
}
/**
 * The names that LoRAs in the original layout give a module of the transformer: `double_blocks.0.img_attn.qkv` for its
 * queries, of which they are the first rows. None for the final modulation, whose rows are in another order there.
 *
 * @param width - channels of the transformer (heads · channels of a head)
 */
export function fluxLoraAliases(path, width) {
  const [, block, module] = /^transformer_blocks\.(\d+)\.attn\.(.+)$/.exec(path) ?? [];
  for (const [stream, parts] of Object.entries(fusedParts)) {
    const index = parts.indexOf(module ?? '');
    if (index < 0) continue;
    return [{ name: `double_blocks.${block}.${stream}_attn.qkv`, rows: [index * width, (index + 1) * width] }];
  }
  const [, single, part] = /^single_transformer_blocks\.(\d+)\.(.+)$/.exec(path) ?? [];
  const index = singleParts.indexOf(part ?? '');
  if (index >= 0) {
    const rows = [index * width, index === 3 ? (3 + MLP_RATIO) * width : (index + 1) * width];
    return [{ name: `single_blocks.${single}.linear1`, rows }];
  }
  const original = path === FINAL_MODULATION ? undefined : toOriginal(path);
  return original === undefined ? [] : [{ name: original }];
}
//# sourceMappingURL=fluxKeys.js.map
