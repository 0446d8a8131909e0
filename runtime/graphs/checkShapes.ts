import { isBlockDtype } from '../files/blocks.ts';
import { ModelError } from '../files/reading.ts';
import type { StoredTensors } from '../files/safetensors.ts';

/** The tensors of one kind of module, and how their sizes hang together. */
export interface Rule {
  /** The path of the module is the group; any tensor inside shows that the module is there. */
  module: RegExp;
  /** Leaves out modules with this tensor. */
  unless?: string;
  /**
   * The first axes of each tensor, by its path inside the module: equal letters are equal sizes, small ones within the
   * module and capital ones within the network. A tensor may only be missing where a question mark comes first.
   */
  sizes: Record<string, string>;
}

const rules: Rule[] = [
  // Residual blocks of UNets and autoencoders.
  {
    module: /^(.*resnets\.\d+\.)/,
    sizes: {
      'norm1.weight': 'i',
      'norm1.bias': 'i',
      'conv1.weight': 'o i 3 3',
      'conv1.bias': 'o',
      'time_emb_proj.weight': '? o T',
      'time_emb_proj.bias': '? o',
      'norm2.weight': 'o',
      'norm2.bias': 'o',
      'conv2.weight': 'o o 3 3',
      'conv2.bias': 'o',
      'conv_shortcut.weight': '? o i',
    },
  },
  { module: /^(.*\.conv_shortcut\.)/, sizes: { weight: 'o i', bias: 'o' } },
  {
    module: /^(.*resnets\.\d+\.)/,
    unless: 'conv_shortcut.weight',
    sizes: { 'norm1.weight': 'c', 'norm2.weight': 'c' },
  },
  // In UNets each of them hears the time.
  {
    module: /^((?:down_blocks\.\d+|mid_block|up_blocks\.\d+)\.resnets\.\d+\.)/,
    sizes: { 'time_emb_proj.weight': 'o T', 'time_emb_proj.bias': 'o' },
  },
  { module: /^(.*(?:down|up)samplers\.\d+\.)/, sizes: { 'conv.weight': 'c c 3 3', 'conv.bias': 'c' } },

  // Transformers of UNets.
  {
    module: /^((?:down_blocks\.\d+|mid_block|up_blocks\.\d+)\.attentions\.\d+\.)/,
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
  {
    module: /^(.*transformer_blocks\.\d+\.)/,
    sizes: {
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
    },
  },
  // The ends of UNets and ControlNets.
  {
    module: /^()time_embedding\./,
    sizes: {
      'time_embedding.linear_1.weight': 'T M',
      'time_embedding.linear_1.bias': 'T',
      'time_embedding.linear_2.weight': 'T T',
      'time_embedding.linear_2.bias': 'T',
      'time_embedding.cond_proj.weight': '? M g',
      'conv_in.weight': 'M l 3 3',
      'conv_in.bias': 'M',
      'down_blocks.0.resnets.0.norm1.weight': 'M',
    },
  },
  {
    module: /^(add_embedding\.)/,
    sizes: { 'linear_1.weight': 'T a', 'linear_1.bias': 'T', 'linear_2.weight': 'T T', 'linear_2.bias': 'T' },
  },
  {
    module: /^()conv_(?:norm_)?out\./,
    sizes: {
      'conv_norm_out.weight': 'M',
      'conv_norm_out.bias': 'M',
      'conv_out.weight': 'o M 3 3',
      'conv_out.bias': 'o',
    },
  },
  { module: /^(controlnet_(?:down_blocks\.\d+|mid_block)\.)/, sizes: { weight: 'c c', bias: 'c' } },
  {
    module: /^(controlnet_cond_embedding\.(?:conv_in|conv_out|blocks\.\d+)\.)/,
    sizes: { weight: 'o i 3 3', bias: 'o' },
  },

  // Autoencoders. The projections of their attention have had two sets of names.
  {
    module: /^((?:en|de)coder\.)(?:conv_in|conv_out|conv_norm_out|mid_block)\./,
    sizes: {
      'conv_in.weight': 'f i 3 3',
      'conv_in.bias': 'f',
      'down_blocks.0.resnets.0.norm1.weight': '? f',
      'conv_norm_out.weight': 'n',
      'conv_norm_out.bias': 'n',
      'conv_out.weight': 'o n 3 3',
      'conv_out.bias': 'o',
    },
  },
  {
    module: /^((?:en|de)coder\.mid_block\.attentions\.\d+\.)/,
    sizes: { 'group_norm.weight': 'c', 'group_norm.bias': 'c' },
  },
  {
    module: /^((?:en|de)coder\.mid_block\.attentions\.\d+\.(?:to_q|to_k|to_v|to_out\.0|query|key|value|proj_attn)\.)/,
    sizes: { weight: 'c c', bias: 'c' },
  },
  // The statistics of patches that FLUX.2's latents are normalized by.
  { module: /^(bn\.)running_/, sizes: { running_mean: 'b', running_var: 'b' } },
  { module: /^(quant_conv\.)/, sizes: { weight: 'q q', bias: 'q' } },
  { module: /^()post_quant_conv\./, sizes: { 'post_quant_conv.weight': 'L L', 'post_quant_conv.bias': 'L' } },
  { module: /^(decoder\.conv_in\.)/, sizes: { weight: 'f L 3 3' } },
  // Tiny ones.
  { module: /^((?:en|de)coder\.layers\.\d+\.)(?:weight|bias)$/, sizes: { weight: 'o i 3 3', bias: '? o' } },
  { module: /^((?:en|de)coder\.layers\.\d+\.conv\.\d+\.)/, sizes: { weight: 'c c 3 3', bias: 'c' } },

  // Text encoders.
  {
    module: /^((?:text_model\.)?)(?:embeddings|final_layer_norm)\./,
    sizes: {
      'embeddings.token_embedding.weight': 'v H',
      'embeddings.position_embedding.weight': 'p H',
      'final_layer_norm.weight': 'H',
      'final_layer_norm.bias': 'H',
    },
  },
  {
    module: /^((?:text_model\.)?encoder\.layers\.\d+\.)(?:layer_norm|self_attn|mlp)/,
    sizes: {
      'layer_norm1.weight': 'H',
      'layer_norm1.bias': 'H',
      'layer_norm2.weight': 'H',
      'layer_norm2.bias': 'H',
      'self_attn.q_proj.weight': 'H H',
      'self_attn.q_proj.bias': 'H',
      'self_attn.k_proj.weight': 'H H',
      'self_attn.k_proj.bias': 'H',
      'self_attn.v_proj.weight': 'H H',
      'self_attn.v_proj.bias': 'H',
      'self_attn.out_proj.weight': 'H H',
      'self_attn.out_proj.bias': 'H',
      'mlp.fc1.weight': 'f H',
      'mlp.fc1.bias': 'f',
      'mlp.fc2.weight': 'H f',
      'mlp.fc2.bias': 'H',
    },
  },
  { module: /^(text_projection\.)/, sizes: { weight: 'p H' } },
];

/**
 * Checks that the tensors of a network are all there and fit one another, so that weights lost, cut or turned by mistake
 * are found without loading them: a missing bias would not stop a run, only spoil its picture.
 *
 * @throws {ModelError} naming the first tensor that does not fit
 */
export function checkShapes(tensors: StoredTensors): void {
  checkRules(tensors, rules);
  checkSkips(tensors);
}

/** The same by other rules. @throws {ModelError} */
export function checkRules(tensors: StoredTensors, rules: readonly Rule[]): void {
  const ofNetwork: Sizes = new Map();
  for (const { module, unless, sizes } of rules) {
    const paths = new Set<string>();
    for (const name of tensors.keys()) {
      const path = module.exec(name)?.[1];
      if (path !== undefined) paths.add(path);
    }
    for (const path of paths) {
      if (unless !== undefined && tensors.has(path + unless)) continue;
      const ofModule: Sizes = new Map();
      for (const [inside, axes] of Object.entries(sizes)) check(tensors, path + inside, axes, ofModule, ofNetwork);
    }
  }
}

/** What each layer of a UNet's way down leaves is taken by one layer of its way up. */
function checkSkips(tensors: StoredTensors): void {
  const count = (pattern: RegExp) => [...tensors.keys()].filter((name) => pattern.test(name)).length;
  const left = 1 + count(/^down_blocks\.\d+\.(resnets\.\d+\.conv1|downsamplers\.0\.conv)\.weight$/);
  const taken = count(/^up_blocks\.\d+\.resnets\.\d+\.conv1\.weight$/);
  if (taken > 0 && taken !== left) {
    throw new ModelError(`the up blocks have ${taken} layers in the weights, but the down blocks need ${left}.`);
  }
}

type Sizes = Map<string, { size: number; from: string }>;

function check(tensors: StoredTensors, name: string, axes: string, ofModule: Sizes, ofNetwork: Sizes): void {
  const tensor = tensors.get(name);
  const letters = axes.split(' ').filter((letter) => letter !== '?');
  if (!tensor) {
    if (axes.startsWith('?')) return;
    throw new ModelError(`the weights have no tensor "${name}".`);
  }
  const { shape, dtype } = tensor;
  if (!/^(F|BF)\d/.test(dtype) && !isBlockDtype(dtype)) {
    throw new ModelError(`the tensor "${name}" is stored as ${dtype}, which is not supported.`);
  }
  const complaint = (because: string) =>
    new ModelError(`the tensor "${name}" has shape [${shape.join(', ')}], but ${because}.`);
  for (const [axis, letter] of letters.entries()) {
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
