import type { StoredTensor, StoredTensors } from '../files/safetensors.ts';

/** What llama.cpp calls the modules of a block of T5's encoder. */
const blockModules: Readonly<Record<string, string>> = {
  attn_q: 'layer.0.SelfAttention.q',
  attn_k: 'layer.0.SelfAttention.k',
  attn_v: 'layer.0.SelfAttention.v',
  attn_o: 'layer.0.SelfAttention.o',
  attn_rel_b: 'layer.0.SelfAttention.relative_attention_bias',
  attn_norm: 'layer.0.layer_norm',
  ffn_gate: 'layer.1.DenseReluDense.wi_0',
  ffn_up: 'layer.1.DenseReluDense.wi_1',
  ffn_down: 'layer.1.DenseReluDense.wo',
  ffn_norm: 'layer.1.layer_norm',
};

const modules: Readonly<Record<string, string>> = {
  token_embd: 'shared',
  'enc.output_norm': 'encoder.final_layer_norm',
};

/** The tensors of a T5 encoder under the names of transformers, from those of llama.cpp. Those that have them keep them. */
export function t5Tensors(stored: StoredTensors): StoredTensors {
  const tensors = new Map<string, StoredTensor>();
  for (const [name, tensor] of stored) {
    const [, path, part] = /^(.+)\.(weight)$/.exec(name) ?? [];
    const [, block, module] = /^enc\.blk\.(\d+)\.(.+)$/.exec(path ?? '') ?? [];
    const inner = module === undefined ? undefined : blockModules[module];
    const renamed = inner === undefined ? modules[path ?? ''] : `encoder.block.${block}.${inner}`;
    tensors.set(renamed === undefined ? name : `${renamed}.${part}`, tensor);
  }
  return tensors;
}
