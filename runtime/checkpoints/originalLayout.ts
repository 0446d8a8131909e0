/** What of a UNet's config decides how its modules are numbered. */
export interface UNetStructure {
  /** Channels of each level; default Stable Diffusion 1's four levels. */
  block_out_channels?: readonly number[] | undefined;
  /** One number for all levels or one for each; default 2. */
  layers_per_block?: number | readonly number[] | undefined;
  /** Which levels attend (`CrossAttn…`); default all but the last. */
  down_block_types?: readonly string[] | undefined;
  up_block_types?: readonly string[] | undefined;
  [other: string]: unknown;
}

/** A module's path in the original layout, and its path in diffusers. */
export type Rename = readonly [original: string, diffusers: string];

/** The parts of a residual block. */
const resnetParts: readonly Rename[] = [
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
export function* unetPaths(config: UNetStructure): Generator<Rename> {
  const levels = (config.block_out_channels ?? [320, 640, 1280, 1280]).length;
  const layers = Array.from({ length: levels }, (_, level) => {
    const given = config.layers_per_block ?? 2;
    return typeof given === 'number' ? given : (given[level] ?? 2);
  });
  const attends = (types: readonly string[] | undefined, level: number, byDefault: boolean) =>
    types?.[level]?.startsWith('CrossAttn') ?? byDefault;

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
    for (let layer = 0; layer < layers[level]!; layer++, block++) {
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
    const count = layers[levels - 1 - level]! + 1;
    for (let layer = 0; layer < count; layer++, block++) {
      yield* resnet(`output_blocks.${block}.0`, `up_blocks.${level}.resnets.${layer}`);
      if (attending) yield [`output_blocks.${block}.1`, `up_blocks.${level}.attentions.${layer}`];
    }
    if (level < levels - 1) {
      yield [`output_blocks.${block - 1}.${attending ? 2 : 1}.conv`, `up_blocks.${level}.upsamplers.0.conv`];
    }
  }
}

function* resnet(original: string, diffusers: string): Generator<Rename> {
  for (const [theirs, ours] of resnetParts) yield [`${original}.${theirs}`, `${diffusers}.${ours}`];
}
