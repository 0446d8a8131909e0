import { partOf } from '../files/storedRows.js';
import { renamingBy } from './originalNames.js';

/** The modulation of the final layer, in diffusers. */
const FINAL_MODULATION = 'norm_out.linear';
/** Fused modules are not among them. */
const modules = [
  ['img_in', 'x_embedder'],
  ['txt_in', 'context_embedder'],
  ['time_in.in_layer', 'time_guidance_embed.timestep_embedder.linear_1'],
  ['time_in.out_layer', 'time_guidance_embed.timestep_embedder.linear_2'],
  ['guidance_in.in_layer', 'time_guidance_embed.guidance_embedder.linear_1'],
  ['guidance_in.out_layer', 'time_guidance_embed.guidance_embedder.linear_2'],
  ['double_stream_modulation_img.lin', 'double_stream_modulation_img.linear'],
  ['double_stream_modulation_txt.lin', 'double_stream_modulation_txt.linear'],
  ['single_stream_modulation.lin', 'single_stream_modulation.linear'],
  ['double_blocks.*.img_attn.proj', 'transformer_blocks.*.attn.to_out.0'],
  ['double_blocks.*.txt_attn.proj', 'transformer_blocks.*.attn.to_add_out'],
  ['double_blocks.*.img_attn.norm.query_norm', 'transformer_blocks.*.attn.norm_q'],
  ['double_blocks.*.img_attn.norm.key_norm', 'transformer_blocks.*.attn.norm_k'],
  ['double_blocks.*.txt_attn.norm.query_norm', 'transformer_blocks.*.attn.norm_added_q'],
  ['double_blocks.*.txt_attn.norm.key_norm', 'transformer_blocks.*.attn.norm_added_k'],
  ['double_blocks.*.img_mlp.0', 'transformer_blocks.*.ff.linear_in'],
  ['double_blocks.*.img_mlp.2', 'transformer_blocks.*.ff.linear_out'],
  ['double_blocks.*.txt_mlp.0', 'transformer_blocks.*.ff_context.linear_in'],
  ['double_blocks.*.txt_mlp.2', 'transformer_blocks.*.ff_context.linear_out'],
  ['single_blocks.*.linear1', 'single_transformer_blocks.*.attn.to_qkv_mlp_proj'],
  ['single_blocks.*.linear2', 'single_transformer_blocks.*.attn.to_out'],
  ['single_blocks.*.norm.query_norm', 'single_transformer_blocks.*.attn.norm_q'],
  ['single_blocks.*.norm.key_norm', 'single_transformer_blocks.*.attn.norm_k'],
  ['final_layer.linear', 'proj_out'],
  ['final_layer.adaLN_modulation.1', FINAL_MODULATION],
];
const { toDiffusers, toOriginal } = renamingBy(modules);
/** The parts of `img_attn.qkv` and `txt_attn.qkv`. */
const fusedParts = { img: ['to_q', 'to_k', 'to_v'], txt: ['add_q_proj', 'add_k_proj', 'add_v_proj'] };
/** Before the names of a transformer that lies in a file with other parts. */
const prefixes = ['model.diffusion_model.', 'diffusion_model.'];
/** Whether these are the tensors of a FLUX.2 transformer, in the original layout or in that of diffusers. */
export function isFlux2Transformer(tensors) {
  return ['', ...prefixes].some((prefix) =>
    ['lin', 'linear'].some((module) => tensors.has(`${prefix}single_stream_modulation.${module}.weight`)),
  );
}
/**
 * The tensors of a FLUX.2 transformer under their names in diffusers. Those that have them keep them; queries, keys and
 * values that lie in one matrix are taken from it by their rows.
 */
export function flux2TransformerTensors(stored) {
  const tensors = new Map();
  for (const [name, tensor] of stored) {
    const prefix = prefixes.find((each) => name.startsWith(each)) ?? '';
    const own = name.slice(prefix.length);
    const at = own.lastIndexOf('.');
    const [path, part] = [own.slice(0, at), own.slice(at + 1)];
    const isRows = part === 'weight' || part === 'bias';
    const fused = /^double_blocks\.(\d+)\.(img|txt)_attn\.qkv$/.exec(path);
    if (fused) {
      for (const [index, module] of fusedParts[fused[2]].entries()) {
        // What a quantized matrix has beside it, such as one scale, is that of each part.
        const rows = isRows ? partOf(tensor, index, 3, own) : tensor;
        tensors.set(`transformer_blocks.${fused[1]}.attn.${module}.${part}`, rows);
      }
      continue;
    }
    const renamed = toDiffusers(path);
    if (renamed === undefined) tensors.set(own, tensor);
    else if (/_norm$/.test(path)) tensors.set(`${renamed}.weight`, tensor);
    // The original's final layer has its shift before its scale.
    else
      tensors.set(`${renamed}.${part}`, renamed === FINAL_MODULATION && isRows ? { ...tensor, swapped: true } : tensor);
  }
  return tensors;
}
/**
 * The names that LoRAs in the original layout give a module of the transformer: `double_blocks.0.img_attn.qkv` for its
 * queries, of which they are the first rows. None for the final modulation, whose rows are in another order there.
 *
 * @param width - channels of the transformer (heads · channels of a head)
 */
export function flux2LoraAliases(path, width) {
  const [, block, module] = /^transformer_blocks\.(\d+)\.attn\.(.+)$/.exec(path) ?? [];
  for (const [stream, parts] of Object.entries(fusedParts)) {
    const index = parts.indexOf(module ?? '');
    if (index < 0) continue;
    return [{ name: `double_blocks.${block}.${stream}_attn.qkv`, rows: [index * width, (index + 1) * width] }];
  }
  const original = path === FINAL_MODULATION ? undefined : toOriginal(path);
  return original === undefined ? [] : [{ name: original }];
}
//# sourceMappingURL=flux2Keys.js.map
