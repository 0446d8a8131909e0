import { inPart, ModelError } from '../files/reading.ts';
import type { StoredTensor, StoredTensors } from '../files/safetensors.ts';
import type { Config, Corrections, ModelFile, PartSource } from './family.ts';
import { autoencoderPath, clipTensors, unetPaths } from './ldmLayout.ts';
import { CLIP_WORDS } from './networks.ts';

/** The tensors under a prefix, without it. */
export function below(tensors: StoredTensors, prefix: string): StoredTensors {
  const found = new Map<string, StoredTensor>();
  for (const [name, tensor] of tensors) if (name.startsWith(prefix)) found.set(name.slice(prefix.length), tensor);
  return found;
}

/** The tensors of a transformer in a file of its own or among other parts: those under its prefix, or all that are no other's. */
export function transformerIn(tensors: StoredTensors): StoredTensors {
  const inside = below(tensors, 'model.diffusion_model.');
  if (inside.size > 0) return inside;
  return new Map([...tensors].filter(([name]) => !/^(text_encoders|vae|first_stage_model)\./.test(name)));
}

/** Of one text encoder: its tensors under the names of transformers, and what its lineage decides. */
export interface Encoder {
  tensors: StoredTensors;
  activation: 'quick_gelu' | 'gelu';
}

/** SD 1 has CLIP, SD 2 OpenCLIP, XL one after the other, the XL refiner OpenCLIP alone (as `text_encoder_2`). */
export function encodersIn(
  tensors: StoredTensors,
  unet: StoredTensors,
): { first?: Encoder | undefined; second?: Encoder | undefined; isXL: boolean } {
  const sized = unet.has('label_emb.0.0.weight');
  const at = (path: string): Encoder | undefined => {
    const clip = below(tensors, `${path}.transformer.`);
    if (clip.size > 0) return { tensors: clip, activation: 'quick_gelu' };
    const openClip = below(tensors, `${path}.model.`);
    return openClip.size > 0 ? { tensors: clipTensors(openClip), activation: 'gelu' } : undefined;
  };
  const only = at('cond_stage_model');
  if (only) {
    if (sized) throw new ModelError('The unet takes image prompts (unCLIP), which are not supported.');
    return { first: withoutProjection(only), isXL: false };
  }
  const [zeroth, next] = [at('conditioner.embedders.0'), at('conditioner.embedders.1')];
  if (!zeroth) {
    throw new ModelError(
      'The text_encoder is missing: the file has no tensors named cond_stage_model.… or conditioner.embedders.…, so it is not a whole model.',
    );
  }
  if (!sized) return { first: withoutProjection(zeroth), isXL: false };
  return next ? { first: withoutProjection(zeroth), second: next, isXL: true } : { second: zeroth, isXL: true };
}

/**
 * SD 2 was trained on what OpenCLIP's last layer but one gives, after the final normalization, so its last layer is left
 * away, as in the published diffusers folders; files made from these have 23 layers and no such one. No first encoder is
 * asked for projected texts.
 */
function withoutProjection({ tensors, activation }: Encoder): Encoder {
  const layer = (index: number) => `text_model.encoder.layers.${index}.`;
  const layers = countWhile((index) => tensors.has(`${layer(index)}layer_norm1.weight`));
  const unread = activation === 'gelu' && layers !== 23 ? layer(layers - 1) : undefined;
  const kept = [...tensors].filter(
    ([name]) => name !== 'text_projection.weight' && (unread === undefined || !name.startsWith(unread)),
  );
  return { tensors: new Map(kept), activation };
}

export function encoderIn({ tensors, activation }: Encoder, corrections: Corrections): PartSource {
  const root = tensors.has('text_model.final_layer_norm.weight') ? 'text_model.' : '';
  const kept = new Map([...tensors].filter(([name]) => !/(^|\.)(position_ids|logit_scale)$/.test(name)));
  const [vocabulary = 0, width = 0] = shapeOf(kept, `${root}embeddings.token_embedding.weight`);
  const [positions] = shapeOf(kept, `${root}embeddings.position_embedding.weight`);
  const projection = kept.get('text_projection.weight')?.shape[0];
  const config = {
    architectures: [projection === undefined ? 'CLIPTextModel' : 'CLIPTextModelWithProjection'],
    hidden_size: width,
    num_hidden_layers: countWhile((i) => kept.has(`${root}encoder.layers.${i}.layer_norm1.weight`)),
    // All published text encoders have heads of 64 channels.
    num_attention_heads: width / 64,
    hidden_act: activation,
    max_position_embeddings: positions,
    vocab_size: vocabulary,
    // The last word of CLIP; in a smaller vocabulary, whose last rows may be no words, the largest id of a text.
    eos_token_id: vocabulary < CLIP_WORDS ? 2 : CLIP_WORDS - 1,
    ...(projection !== undefined && { projection_dim: projection }),
    ...corrections.own,
  };
  if (!Number.isInteger(config.num_attention_heads)) {
    throw untold(`it has ${width} channels, so not heads of 64`, 'num_attention_heads', corrections);
  }
  return { tensors: kept, config };
}

/** The autoencoder that the settings name, else that of the file; undefined: there is neither. */
export async function autoencoderOf({ tensors, corrections, otherVae }: ModelFile): Promise<PartSource | undefined> {
  const other = await otherVae();
  if (other || !holdsAutoencoder(tensors)) return other;
  return inPart('vae', () => autoencoderIn(tensors, corrections('vae')));
}

/** Whether a file of a whole model holds any part of an autoencoder. */
function holdsAutoencoder(tensors: StoredTensors): boolean {
  return [...tensors.keys()].some((name) =>
    /^(first_stage_model\.|vae\.|(encoder|decoder|quant_conv|post_quant_conv)\.)/.test(name),
  );
}

/** An autoencoder under `first_stage_model.` or `vae.` or, where those are missing, in the whole file, in either layout. */
export function autoencoderIn(tensors: StoredTensors, corrections: Corrections): PartSource {
  const stored =
    ['first_stage_model.', 'vae.'].map((prefix) => below(tensors, prefix)).find(({ size }) => size > 0) ?? tensors;
  const levels = countWhile((i) => stored.has(`decoder.up.${i}.block.0.conv1.weight`));
  const renamed = new Map<string, StoredTensor>();
  for (const [name, tensor] of stored) {
    // `bn` holds the statistics of FLUX.2's patches.
    if (!/^(encoder|decoder|quant_conv|post_quant_conv|bn)\./.test(name)) continue;
    renamed.set(levels > 0 ? autoencoderPath(name, levels) : name, tensor);
  }
  const conv1 = (level: number, layer: number) => `encoder.down_blocks.${level}.resnets.${layer}.conv1.weight`;
  const channels = Array.from(
    { length: countWhile((level) => renamed.has(conv1(level, 0))) },
    (_, level) => renamed.get(conv1(level, 0))!.shape[0]!,
  );
  const config = {
    _class_name: renamed.has('bn.running_mean') ? 'AutoencoderKLFlux2' : 'AutoencoderKL',
    block_out_channels: channels,
    layers_per_block: countWhile((layer) => renamed.has(conv1(0, layer))),
    latent_channels: shapeOf(renamed, 'decoder.conv_in.weight')[1],
    norm_num_groups: 32,
    ...corrections.own,
  };
  checkGroups(config.norm_num_groups, channels, corrections);
  return { tensors: renamed, config };
}

/** A UNet whose names lack `model.diffusion_model.`; `second` is XL's second text encoder. */
export function unetIn(
  original: StoredTensors,
  lineage: { isXL: boolean; refiner: boolean; second: Encoder | undefined },
  corrections: Corrections,
): PartSource {
  const levels = levelsOf(original);
  const widths = levels.map(({ width }) => width);
  const layers = levels.map((level) => level.layers);
  const blocks = levels.map(({ depth }) => (depth > 0 ? 'CrossAttn' : ''));
  const linear = shapeOf(original, 'middle_block.1.proj_in.weight').length === 2;
  const [model = 0, channels] = shapeOf(original, 'input_blocks.0.0.weight');
  const conditioned = original.get('time_embed.cond_proj.weight')?.shape[1];
  const config: Config = {
    _class_name: 'UNet2DConditionModel',
    in_channels: channels,
    out_channels: shapeOf(original, 'out.2.weight')[0],
    block_out_channels: widths,
    layers_per_block: layers.every((count) => count === layers[0]) ? layers[0] : layers,
    down_block_types: blocks.map((attention) => `${attention}DownBlock2D`),
    up_block_types: blocks.map((attention) => `${attention}UpBlock2D`).reverse(),
    transformer_layers_per_block: levels.map(({ depth }) => Math.max(depth, 1)),
    cross_attention_dim: shapeOf(original, 'middle_block.1.transformer_blocks.0.attn2.to_k.weight')[1],
    use_linear_projection: linear,
    // The name notwithstanding, these are numbers of heads; see UNet2DConditionConfig.
    attention_head_dim: linear ? widths.map((width) => width / 64) : 8,
    norm_num_groups: 32,
    sample_size: lineage.isXL ? 128 : 64,
    ...(conditioned !== undefined && { time_cond_proj_dim: conditioned }),
    ...(lineage.isXL && sizesIn(original, lineage)),
    ...corrections.own,
  };
  const heads = config.attention_head_dim;
  if (Array.isArray(heads) && heads.some((count, level) => blocks[level] && !Number.isInteger(count))) {
    throw untold(`it has ${widths.join(', ')} channels, so not heads of 64`, 'attention_head_dim', corrections);
  }
  checkGroups(config.norm_num_groups, [model, ...widths], corrections);

  const paths = new Map(unetPaths(config));
  const tensors = new Map<string, StoredTensor>();
  for (const [name, tensor] of original) {
    const renamed = renamedUNetTensor(name, paths);
    if (renamed !== undefined) tensors.set(renamed, tensor);
  }
  return { tensors, config };
}

interface Level {
  width: number;
  layers: number;
  /** Transformer blocks in each layer; 0 where the level does not attend. */
  depth: number;
}

/** The way down: blocks are counted through, and a halving ends a level. */
function levelsOf(original: StoredTensors): Level[] {
  const levels: Level[] = [];
  let open: Level | undefined;
  for (let block = 1; ; block++) {
    const path = `input_blocks.${block}`;
    if (original.has(`${path}.0.op.weight`)) {
      open = undefined;
      continue;
    }
    const [width] = original.get(`${path}.0.out_layers.3.weight`)?.shape ?? [];
    if (width === undefined) break;
    if (!open) {
      open = { width, layers: 0, depth: 0 };
      levels.push(open);
    }
    open.layers++;
    open.depth = countWhile((i) => original.has(`${path}.1.transformer_blocks.${i}.norm1.weight`));
  }
  if (levels.length === 0) throw new ModelError('it has no input_blocks in the order of the original layout.');
  return levels;
}

/** What of `label_emb` the text does not take are sines and cosines of six numbers, of five in the refiner. */
function sizesIn(original: StoredTensors, lineage: { refiner: boolean; second: Encoder | undefined }): Config {
  const [, all = 0] = shapeOf(original, 'label_emb.0.0.weight');
  const text = lineage.second?.tensors.get('text_projection.weight')?.shape[0] ?? 0;
  const each = (all - text) / (lineage.refiner ? 5 : 6);
  if (!Number.isInteger(each) || each <= 0) {
    throw new ModelError(
      `label_emb takes ${all} channels, of which ${text} are for text; the rest is no whole number of sizes.`,
    );
  }
  return {
    addition_embed_type: 'text_time',
    addition_time_embed_dim: each,
    projection_class_embeddings_input_dim: all,
  };
}

/** The longest beginning of the name that is a module with a name of its own decides. */
function renamedUNetTensor(name: string, paths: ReadonlyMap<string, string>): string | undefined {
  for (let end = name.lastIndexOf('.'); end > 0; end = name.lastIndexOf('.', end - 1)) {
    const renamed = paths.get(name.slice(0, end));
    if (renamed !== undefined) return renamed + name.slice(end);
  }
  return undefined;
}

function checkGroups(groups: unknown, channels: readonly number[], corrections: Corrections): void {
  if (typeof groups === 'number' && groups >= 1 && channels.every((width) => width % groups === 0)) return;
  throw untold(`its ${channels.join(', ')} channels are not 32 groups each`, 'norm_num_groups', corrections);
}

function untold(because: string, field: string, { where }: Corrections): ModelError {
  return new ModelError(`${because}, and the file does not tell the right value: give its ${field} under ${where}.`);
}

function shapeOf(tensors: StoredTensors, name: string): readonly number[] {
  const tensor = tensors.get(name);
  if (!tensor) throw new ModelError(`the file has no tensor for "${name}".`);
  return tensor.shape;
}

function countWhile(there: (index: number) => boolean): number {
  let count = 0;
  while (there(count)) count++;
  return count;
}
