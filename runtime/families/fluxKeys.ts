import { ModelError } from '../files/reading.ts';
import type { StoredTensors } from '../files/safetensors.ts';
import { rowsOf } from '../files/storedRows.ts';
import type { LoraAlias } from './family.ts';
import { FINAL_MODULATION, fluxAliases, fluxRenamed } from './fluxLayout.ts';
import { fusedAlias, holds, type ModuleNames, renamedTensors, renamingBy } from './originalNames.ts';

/** Fused modules are not among them. */
const modules: ModuleNames = [
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
const renaming = renamingBy(modules);

/** The parts of `linear1` of a single block: three as wide as the transformer, and the rest. */
const singleParts = ['attn.to_q', 'attn.to_k', 'attn.to_v', 'proj_mlp'];
/** How many times as wide as the transformer its feed-forward layers are. */
const MLP_RATIO = 4;

/** Whether these are the tensors of a FLUX.1 transformer, in the original layout or in that of diffusers. */
export function isFluxTransformer(tensors: StoredTensors): boolean {
  return ['single_blocks.0.modulation.lin', 'single_transformer_blocks.0.norm.linear'].some((module) =>
    holds(tensors, `${module}.weight`),
  );
}

/**
 * The tensors of a FLUX.1 transformer under their names in diffusers. Those that have them keep them; matrices that lie in
 * one are taken from it by their rows.
 */
export function fluxTransformerTensors(stored: StoredTensors): StoredTensors {
  return renamedTensors(stored, (original) => {
    const { path, part, isRows, tensor, beside } = original;
    const [, single] = /^single_blocks\.(\d+)\.linear1$/.exec(path) ?? [];
    if (single === undefined) return fluxRenamed(original, renaming);
    const [rows = 0, width = 0] = beside(`${path}.weight`)?.shape ?? [];
    if (rows <= 3 * width) throw new ModelError(`${path} has ${rows} rows, so no feed-forward part.`);
    return singleParts.map((module, index) => {
      const cut = isRows ? rowsOf(tensor, index * width, index === 3 ? rows : (index + 1) * width) : tensor;
      return [`single_transformer_blocks.${single}.${module}.${part}`, cut] as const;
    });
  });
}

/** The names that LoRAs in the original layout give a module of the transformer; see `fluxAliases`. */
export function fluxLoraAliases(path: string, width: number): LoraAlias[] {
  const [, single, part] = /^single_transformer_blocks\.(\d+)\.(.+)$/.exec(path) ?? [];
  const index = singleParts.indexOf(part ?? '');
  if (index < 0) return fluxAliases(path, width, renaming);
  const name = `single_blocks.${single}.linear1`;
  return [index === 3 ? { name, rows: [3 * width, (3 + MLP_RATIO) * width] } : fusedAlias(name, index, width)];
}
