import { ModelError } from './files.ts';
import type { StoredTensors } from './safetensors.ts';

/**
 * The tensors of one kind of module, and how their sizes hang together: equal letters are equal sizes within the module,
 * capital letters within the whole network.
 */
interface Rule {
  /** Finds a module by one of its tensors; what comes before the match's first group is its path. */
  found: RegExp;
  /** Axes of each tensor, by its path inside the module. A tensor that is absent is not checked. */
  sizes: Record<string, string>;
}

const transformerBlock = {
  'norm1.weight': 'c',
  'norm1.bias': 'c',
  'norm2.weight': 'c',
  'norm2.bias': 'c',
  'norm3.weight': 'c',
  'norm3.bias': 'c',
  'attn1.to_q.weight': 'i c',
  'attn1.to_k.weight': 'i c',
  'attn1.to_v.weight': 'i c',
  'attn1.to_out.0.weight': 'c i',
  'attn1.to_out.0.bias': 'c',
  'attn2.to_q.weight': 'j c',
  'attn2.to_k.weight': 'j X',
  'attn2.to_v.weight': 'j X',
  'attn2.to_out.0.weight': 'c j',
  'attn2.to_out.0.bias': 'c',
  'ff.net.0.proj.weight': 'g c',
  'ff.net.0.proj.bias': 'g',
  'ff.net.2.weight': 'c f',
  'ff.net.2.bias': 'c',
};

const rules: Rule[] = [
  {
    found: /^(.*resnets\.\d+\.)conv1\.weight$/,
    sizes: {
      'norm1.weight': 'i',
      'norm1.bias': 'i',
      'conv1.weight': 'o i 3 3',
      'conv1.bias': 'o',
      'time_emb_proj.weight': 'o T',
      'time_emb_proj.bias': 'o',
      'norm2.weight': 'o',
      'norm2.bias': 'o',
      'conv2.weight': 'o o 3 3',
      'conv2.bias': 'o',
      'conv_shortcut.weight': 'o i',
      'conv_shortcut.bias': 'o',
    },
  },
  {
    found: /^(.*attentions\.\d+\.)proj_in\.weight$/,
    sizes: {
      'norm.weight': 'c',
      'norm.bias': 'c',
      'proj_in.weight': 'i c',
      'proj_in.bias': 'i',
      'transformer_blocks.0.norm1.weight': 'i',
      'proj_out.weight': 'c i',
      'proj_out.bias': 'c',
    },
  },
  { found: /^(.*transformer_blocks\.\d+\.)norm1\.weight$/, sizes: transformerBlock },
  {
    found: /^(.*(?:down|up)samplers\.\d+\.)conv\.weight$/,
    sizes: { 'conv.weight': 'c c 3 3', 'conv.bias': 'c' },
  },
  {
    found: /^(.*attentions\.\d+\.)group_norm\.weight$/,
    sizes: {
      'group_norm.weight': 'c',
      'group_norm.bias': 'c',
      'to_q.weight': 'c c',
      'to_k.weight': 'c c',
      'to_v.weight': 'c c',
      'to_out.0.weight': 'c c',
    },
  },
  {
    found: /^()time_embedding\.linear_1\.weight$/,
    sizes: {
      'time_embedding.linear_1.weight': 'T M',
      'time_embedding.linear_1.bias': 'T',
      'time_embedding.linear_2.weight': 'T T',
      'time_embedding.linear_2.bias': 'T',
      'time_embedding.cond_proj.weight': 'M g',
      'add_embedding.linear_1.weight': 'T a',
      'add_embedding.linear_2.weight': 'T T',
      'conv_in.weight': 'M l 3 3',
      'conv_norm_out.weight': 'M',
      'conv_norm_out.bias': 'M',
      'conv_out.weight': 'o M 3 3',
      'down_blocks.0.resnets.0.norm1.weight': 'M',
    },
  },
  {
    found: /^(encoder\.|decoder\.)conv_in\.weight$/,
    sizes: {
      'conv_in.weight': 'f i 3 3',
      'down_blocks.0.resnets.0.norm1.weight': 'f',
      'mid_block.resnets.0.norm1.weight': 'm',
      'conv_norm_out.weight': 'n',
      'conv_norm_out.bias': 'n',
      'conv_out.weight': 'o n 3 3',
    },
  },
  {
    found: /^()(?:post_)?quant_conv\.weight$/,
    sizes: { 'quant_conv.weight': 'q q', 'post_quant_conv.weight': 'L L', 'decoder.conv_in.weight': 'f L 3 3' },
  },
  {
    found: /^((?:text_model\.)?encoder\.layers\.\d+\.)layer_norm1\.weight$/,
    sizes: {
      'layer_norm1.weight': 'H',
      'layer_norm1.bias': 'H',
      'layer_norm2.weight': 'H',
      'layer_norm2.bias': 'H',
      'self_attn.q_proj.weight': 'H H',
      'self_attn.k_proj.weight': 'H H',
      'self_attn.v_proj.weight': 'H H',
      'self_attn.out_proj.weight': 'H H',
      'mlp.fc1.weight': 'f H',
      'mlp.fc2.weight': 'H f',
    },
  },
  {
    found: /^((?:text_model\.)?)embeddings\.token_embedding\.weight$/,
    sizes: {
      'embeddings.token_embedding.weight': 'v H',
      'embeddings.position_embedding.weight': 'p H',
      'final_layer_norm.weight': 'H',
      'final_layer_norm.bias': 'H',
    },
  },
  { found: /^(text_projection\.)weight$/, sizes: { weight: 'p H' } },
  { found: /^(controlnet_(?:down_blocks\.\d+|mid_block)\.)weight$/, sizes: { weight: 'c c', bias: 'c' } },
  { found: /^(controlnet_cond_embedding\.(?:conv_in|conv_out|blocks\.\d+)\.)weight$/, sizes: { weight: 'o i 3 3' } },
  { found: /^((?:en|de)coder\.layers\.\d+\.)weight$/, sizes: { weight: 'o i 3 3' } },
  { found: /^((?:en|de)coder\.layers\.\d+\.conv\.\d+\.)weight$/, sizes: { weight: 'c c 3 3' } },
  // Whatever has a weight and a bias gives as many numbers as the bias has.
  { found: /^(.+\.)bias$/, sizes: { bias: 'o', weight: 'o *' } },
];

/**
 * Checks that the tensors of a network fit one another, so that weights cut or turned by mistake are found without
 * loading them.
 *
 * @throws {ModelError} naming the first tensor that does not fit
 */
export function checkShapes(tensors: StoredTensors): void {
  const ofNetwork = new Map<string, { size: number; from: string }>();
  for (const { found, sizes } of rules) {
    for (const name of tensors.keys()) {
      const path = found.exec(name)?.[1];
      if (path === undefined) continue;
      const ofModule = new Map<string, { size: number; from: string }>();
      for (const [inside, axes] of Object.entries(sizes)) check(tensors, path + inside, axes, ofModule, ofNetwork);
    }
  }
  checkSkips(tensors);
}

/** What each layer of a UNet's way down leaves is taken by one layer of its way up. */
function checkSkips(tensors: StoredTensors): void {
  const count = (pattern: RegExp) => [...tensors.keys()].filter((name) => pattern.test(name)).length;
  const left = 1 + count(/^down_blocks\.\d+\.(resnets\.\d+\.conv1|downsamplers\.0\.conv)\.weight$/);
  const taken = count(/^up_blocks\.\d+\.resnets\.\d+\.conv1\.weight$/);
  if (taken > 0 && taken !== left) {
    throw new ModelError(`the weights have ${taken} layers on the way up, but the way down needs ${left}.`);
  }
}

type Sizes = Map<string, { size: number; from: string }>;

function check(tensors: StoredTensors, name: string, axes: string, ofModule: Sizes, ofNetwork: Sizes): void {
  const shape = tensors.get(name)?.shape;
  if (!shape) return;
  const letters = axes.split(' ');
  const complaint = (because: string) =>
    new ModelError(`the tensor "${name}" has shape [${shape.join(', ')}], but ${because}.`);
  for (const [axis, letter] of letters.entries()) {
    if (letter === '*') return;
    const size = shape[axis];
    if (size === undefined) throw complaint(`${letters.length} axes are expected`);
    const fixed = Number(letter);
    if (!Number.isNaN(fixed)) {
      if (size !== fixed) throw complaint(`axis ${axis} must be ${fixed}`);
      continue;
    }
    const sizes = letter === letter.toUpperCase() ? ofNetwork : ofModule;
    const known = sizes.get(letter);
    if (known === undefined) sizes.set(letter, { size, from: name });
    else if (known.size !== size) throw complaint(`axis ${axis} must be ${known.size}, as in "${known.from}"`);
  }
  // A linear layer may be stored as a 1×1 convolution, and the other way round.
  if (shape.slice(letters.length).some((size) => size !== 1)) throw complaint(`${letters.length} axes are expected`);
}
