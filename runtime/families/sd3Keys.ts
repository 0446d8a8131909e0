import type { StoredTensors } from '../files/safetensors.ts';
import type { LoraAlias } from './family.ts';
import { fusedAlias, holds, type ModuleNames, renamedTensors, renamingBy, separated } from './originalNames.ts';

/** Fused modules are not among them. */
const modules: ModuleNames = [
  ['x_embedder.proj', 'pos_embed.proj'],
  ['context_embedder', 'context_embedder'],
  ['t_embedder.mlp.0', 'time_text_embed.timestep_embedder.linear_1'],
  ['t_embedder.mlp.2', 'time_text_embed.timestep_embedder.linear_2'],
  ['y_embedder.mlp.0', 'time_text_embed.text_embedder.linear_1'],
  ['y_embedder.mlp.2', 'time_text_embed.text_embedder.linear_2'],
  ['joint_blocks.*.x_block.adaLN_modulation.1', 'transformer_blocks.*.norm1.linear'],
  ['joint_blocks.*.context_block.adaLN_modulation.1', 'transformer_blocks.*.norm1_context.linear'],
  ['joint_blocks.*.x_block.attn.proj', 'transformer_blocks.*.attn.to_out.0'],
  ['joint_blocks.*.x_block.attn2.proj', 'transformer_blocks.*.attn2.to_out.0'],
  ['joint_blocks.*.context_block.attn.proj', 'transformer_blocks.*.attn.to_add_out'],
  ['joint_blocks.*.x_block.attn.ln_q', 'transformer_blocks.*.attn.norm_q'],
  ['joint_blocks.*.x_block.attn.ln_k', 'transformer_blocks.*.attn.norm_k'],
  ['joint_blocks.*.x_block.attn2.ln_q', 'transformer_blocks.*.attn2.norm_q'],
  ['joint_blocks.*.x_block.attn2.ln_k', 'transformer_blocks.*.attn2.norm_k'],
  ['joint_blocks.*.context_block.attn.ln_q', 'transformer_blocks.*.attn.norm_added_q'],
  ['joint_blocks.*.context_block.attn.ln_k', 'transformer_blocks.*.attn.norm_added_k'],
  ['joint_blocks.*.x_block.mlp.fc1', 'transformer_blocks.*.ff.net.0.proj'],
  ['joint_blocks.*.x_block.mlp.fc2', 'transformer_blocks.*.ff.net.2'],
  ['joint_blocks.*.context_block.mlp.fc1', 'transformer_blocks.*.ff_context.net.0.proj'],
  ['joint_blocks.*.context_block.mlp.fc2', 'transformer_blocks.*.ff_context.net.2'],
  ['final_layer.linear', 'proj_out'],
  ['final_layer.adaLN_modulation.1', 'norm_out.linear'],
];
const { toDiffusers, toOriginal } = renamingBy(modules);

/** The parts of each fused matrix of a block. */
const fusedParts = {
  'x_block.attn.qkv': ['attn.to_q', 'attn.to_k', 'attn.to_v'],
  'x_block.attn2.qkv': ['attn2.to_q', 'attn2.to_k', 'attn2.to_v'],
  'context_block.attn.qkv': ['attn.add_q_proj', 'attn.add_k_proj', 'attn.add_v_proj'],
} as const;

/** Whether these are the tensors of a transformer of Stable Diffusion 3, in the original layout or in that of diffusers. */
export function isSD3Transformer(tensors: StoredTensors): boolean {
  return holds(tensors, 'joint_blocks.0.x_block.attn.qkv.weight') || holds(tensors, 'pos_embed.proj.weight');
}

/**
 * The tensors of a transformer of Stable Diffusion 3 under their names in diffusers. Those that have them keep them; matrices
 * that lie in one are taken from it by their rows.
 */
export function sd3TransformerTensors(stored: StoredTensors): StoredTensors {
  return renamedTensors(stored, (original) => {
    const { name, path, part, isRows, tensor, beside } = original;
    if (name === 'pos_embed') return [['pos_embed.pos_embed', tensor]];
    const [, block, inside] = /^joint_blocks\.(\d+)\.(.+)$/.exec(path) ?? [];
    const parts = inside === undefined ? undefined : fusedParts[inside as keyof typeof fusedParts];
    if (parts) {
      return separated(
        original,
        parts.map((module) => `transformer_blocks.${block}.${module}`),
      );
    }
    const renamed = toDiffusers(path);
    // Where nothing but a shift and a scale modulates, the original has the shift first.
    const isPair =
      path === 'final_layer.adaLN_modulation.1' ||
      (inside === 'context_block.adaLN_modulation.1' &&
        !beside(`joint_blocks.${block}.context_block.attn.proj.weight`));
    return [
      [renamed === undefined ? name : `${renamed}.${part}`, isPair && isRows ? { ...tensor, swapped: true } : tensor],
    ];
  });
}

/**
 * The names that LoRAs in the original layout give a module of the transformer: `joint_blocks.0.x_block.attn.qkv` for its
 * queries, of which they are the first rows. None for modulations whose rows are in another order there.
 *
 * @param width - channels of the transformer (heads · channels of a head)
 * @param lastBlock - the number of the block whose text goes nowhere
 */
export function sd3LoraAliases(path: string, width: number, lastBlock: number): LoraAlias[] {
  const [, block, module] = /^transformer_blocks\.(\d+)\.(.+)$/.exec(path) ?? [];
  for (const [fused, parts] of Object.entries(fusedParts)) {
    const index = (parts as readonly string[]).indexOf(module ?? '');
    if (index >= 0) return [fusedAlias(`joint_blocks.${block}.${fused}`, index, width)];
  }
  const isPair = path === 'norm_out.linear' || path === `transformer_blocks.${lastBlock}.norm1_context.linear`;
  const original = isPair ? undefined : toOriginal(path);
  return original === undefined || original === path ? [] : [{ name: original }];
}
