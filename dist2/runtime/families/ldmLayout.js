import { ModelError } from '../files/reading.js';

/** The parts of a residual block. */
const resnetParts = [
  ['in_layers.0', 'norm1'],
  ['in_layers.2', 'conv1'],
  ['emb_layers.1', 'time_emb_proj'],
  ['out_layers.0', 'norm2'],
  ['out_layers.3', 'conv2'],
  ['skip_connection', 'conv_shortcut'],
];
/**
 * How the modules of a UNet are called in the original (CompVis, Stability) layout, without `model.diffusion_model.`, and
 * in diffusers.
 *
 * A pair renames the module and everything inside it: below a transformer (`input_blocks.1.1` ↔
 * `down_blocks.0.attentions.0`) both layouts use the same names. No path of either side lies inside another one.
 * The original counts the blocks of all levels through; diffusers counts levels, and layers in each.
 */
export function* unetPaths(config) {
  const levels = (config.block_out_channels ?? [320, 640, 1280, 1280]).length;
  const layers = Array.from({ length: levels }, (_, level) => {
    const given = config.layers_per_block ?? 2;
    return typeof given === 'number' ? given : (given[level] ?? 2);
  });
  const attends = (types, level, byDefault) => types?.[level]?.startsWith('CrossAttn') ?? byDefault;
  yield ['time_embed.0', 'time_embedding.linear_1'];
  yield ['time_embed.2', 'time_embedding.linear_2'];
  yield ['time_embed.cond_proj', 'time_embedding.cond_proj'];
  yield ['label_emb.0.0', 'add_embedding.linear_1'];
  yield ['label_emb.0.2', 'add_embedding.linear_2'];
  yield ['input_blocks.0.0', 'conv_in'];
  yield ['out.0', 'conv_norm_out'];
  yield ['out.2', 'conv_out'];
  let block = 1;
  for (let level = 0; level < levels; level++) {
    for (let layer = 0; layer < layers[level]; layer++, block++) {
      yield* resnet(`input_blocks.${block}.0`, `down_blocks.${level}.resnets.${layer}`);
      if (attends(config.down_block_types, level, level < levels - 1)) {
        yield [`input_blocks.${block}.1`, `down_blocks.${level}.attentions.${layer}`];
      }
    }
    if (level < levels - 1) yield [`input_blocks.${block++}.0.op`, `down_blocks.${level}.downsamplers.0.conv`];
  }
  yield* resnet('middle_block.0', 'mid_block.resnets.0');
  yield ['middle_block.1', 'mid_block.attentions.0'];
  yield* resnet('middle_block.2', 'mid_block.resnets.1');
  block = 0;
  for (let level = 0; level < levels; level++) {
    const attending = attends(config.up_block_types, level, level > 0);
    // One layer more than on the way down: it takes the skip that the downsampling (or the first convolution) left.
    const count = layers[levels - 1 - level] + 1;
    for (let layer = 0; layer < count; layer++, block++) {
      yield* resnet(`output_blocks.${block}.0`, `up_blocks.${level}.resnets.${layer}`);
      if (attending) yield [`output_blocks.${block}.1`, `up_blocks.${level}.attentions.${layer}`];
    }
    if (level < levels - 1) {
      yield [`output_blocks.${block - 1}.${attending ? 2 : 1}.conv`, `up_blocks.${level}.upsamplers.0.conv`];
    }
  }
}
function* resnet(original, diffusers) {
  for (const [theirs, ours] of resnetParts) yield [`${original}.${theirs}`, `${diffusers}.${ours}`];
}
/**
 * The path of an autoencoder's module or tensor in diffusers, from its path in the original layout.
 * The decoder's levels are numbered the other way round there: `up.3` is the first that latents go through.
 *
 * @param levels - how many levels the decoder has
 */
export function autoencoderPath(original, levels) {
  return original
    .replace(/^encoder\.quant_conv\./, 'quant_conv.')
    .replace(/^decoder\.post_quant_conv\./, 'post_quant_conv.')
    .replace(/\.norm_out\./, '.conv_norm_out.')
    .replace(/\.mid\.block_([12])\./, (_, block) => `.mid_block.resnets.${Number(block) - 1}.`)
    .replace(/\.mid\.attn_1\./, '.mid_block.attentions.0.')
    .replace(/\.attentions\.0\.norm\./, '.attentions.0.group_norm.')
    .replace(/\.attentions\.0\.proj_out\./, '.attentions.0.to_out.0.')
    .replace(/\.attentions\.0\.([qkv])\./, '.attentions.0.to_$1.')
    .replace(/\.down\.(\d+)\.block\.(\d+)\./, '.down_blocks.$1.resnets.$2.')
    .replace(/\.down\.(\d+)\.downsample\./, '.down_blocks.$1.downsamplers.0.')
    .replace(/\.up\.(\d+)\.block\.(\d+)\./, (_, up, block) => {
      return `.up_blocks.${levels - 1 - Number(up)}.resnets.${block}.`;
    })
    .replace(/\.up\.(\d+)\.upsample\./, (_, up) => `.up_blocks.${levels - 1 - Number(up)}.upsamplers.0.`)
    .replace(/\.nin_shortcut\./, '.conv_shortcut.');
}
/** The tensors of an autoencoder under their names in diffusers. Those that have them keep them. */
export function autoencoderTensors(stored) {
  let levels = 0;
  while (stored.has(`decoder.up.${levels}.block.0.conv1.weight`)) levels++;
  if (levels === 0) return stored;
  return new Map([...stored].map(([name, tensor]) => [autoencoderPath(name, levels), tensor]));
}
/**
 * The tensors of an OpenCLIP text encoder under the names that transformers gives CLIP's.
 *
 * Queries, keys and values lie below one another in one matrix, and are taken from it by their rows. `text_projection` is
 * a matrix that texts are multiplied with from the left, so it lies transposed, unless it was saved as a linear layer
 * (`text_projection.weight`).
 */
export function clipTensors(openClip) {
  const tensors = new Map();
  for (const [name, tensor] of openClip) {
    const [, layer, inner] = /^transformer\.resblocks\.(\d+)\.(.+)$/.exec(name) ?? [];
    if (layer !== undefined && inner !== undefined) {
      const path = `text_model.encoder.layers.${layer}`;
      const stacked = /^attn\.in_proj_(weight|bias)$/.exec(inner);
      if (stacked) {
        for (const [index, which] of ['q', 'k', 'v'].entries()) {
          tensors.set(`${path}.self_attn.${which}_proj.${stacked[1]}`, thirdOf(tensor, index));
        }
        continue;
      }
      const [module, part] = splitLast(inner);
      const renamed = openClipModules[module];
      if (renamed !== undefined) tensors.set(`${path}.${renamed}.${part}`, tensor);
      continue;
    }
    if (name === 'text_projection') {
      tensors.set('text_projection.weight', { ...tensor, shape: [...tensor.shape].reverse(), transposed: true });
      continue;
    }
    const renamed = openClipTensors[name];
    if (renamed !== undefined) tensors.set(renamed, tensor);
  }
  return tensors;
}
const openClipModules = {
  ln_1: 'layer_norm1',
  ln_2: 'layer_norm2',
  'attn.out_proj': 'self_attn.out_proj',
  'mlp.c_fc': 'mlp.fc1',
  'mlp.c_proj': 'mlp.fc2',
};
const openClipTensors = {
  'token_embedding.weight': 'text_model.embeddings.token_embedding.weight',
  positional_embedding: 'text_model.embeddings.position_embedding.weight',
  'ln_final.weight': 'text_model.final_layer_norm.weight',
  'ln_final.bias': 'text_model.final_layer_norm.bias',
  'text_projection.weight': 'text_projection.weight',
};
function splitLast(path) {
  const at = path.lastIndexOf('.');
  return [path.slice(0, at), path.slice(at + 1)];
}
/** One of three equal ranges of rows. */
function thirdOf(tensor, index) {
  const [rows = 0, ...rest] = tensor.shape;
  if (rows % 3 !== 0) throw new ModelError(`an attn.in_proj has ${rows} rows, which is not a multiple of three.`);
  const length = tensor.length / 3;
  return { ...tensor, shape: [rows / 3, ...rest], offset: tensor.offset + index * length, length };
}
//# sourceMappingURL=ldmLayout.js.map
