import type { StoredTensors } from '../files/safetensors.ts';
import type { LoraAlias } from './family.ts';
import { FINAL_MODULATION, fluxAliases, fluxRenamed } from './fluxLayout.ts';
import { holds, type ModuleNames, renamedTensors, renamingBy } from './originalNames.ts';

/** Fused modules are not among them. */
const modules: ModuleNames = [
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
const renaming = renamingBy(modules);

/** Whether these are the tensors of a FLUX.2 transformer, in the original layout or in that of diffusers. */
export function isFlux2Transformer(tensors: StoredTensors): boolean {
  return ['lin', 'linear'].some((module) => holds(tensors, `single_stream_modulation.${module}.weight`));
}

/**
 * The tensors of a FLUX.2 transformer under their names in diffusers. Those that have them keep them; queries, keys and
 * values that lie in one matrix are taken from it by their rows.
 */
export function flux2TransformerTensors(stored: StoredTensors): StoredTensors {
  return renamedTensors(stored, (original) => fluxRenamed(original, renaming));
}

/** The names that LoRAs in the original layout give a module of the transformer; see `fluxAliases`. */
export function flux2LoraAliases(path: string, width: number): LoraAlias[] {
  return fluxAliases(path, width, renaming);
}
