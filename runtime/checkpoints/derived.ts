import type { SafetensorsSource } from './component.ts';
import { ModelError } from './files.ts';
import { autoencoderPath, clipTensors, unetPaths } from './originalLayout.ts';
import type { StoredTensor, StoredTensors } from './safetensors.ts';

export type Config = Record<string, unknown>;

/** A component's tensors under their diffusers names, and the config that their shapes stand for. */
export type Part = Pick<SafetensorsSource, 'tensors' | 'config'>;

/** The tensors under a prefix, without it. */
export function below(tensors: StoredTensors, prefix: string): StoredTensors {
  const found = new Map<string, StoredTensor>();
  for (const [name, tensor] of tensors) if (name.startsWith(prefix)) found.set(name.slice(prefix.length), tensor);
  return found;
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
    if (sized) throw new ModelError('The unet takes pictures as a second prompt (unCLIP), which is not supported.');
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
 * away, as in the published diffusers folders. No first encoder is asked for projected texts.
 */
function withoutProjection({ tensors, activation }: Encoder): Encoder {
  const last = `text_model.encoder.layers.${countWhile((i) => tensors.has(`text_model.encoder.layers.${i}.layer_norm1.weight`)) - 1}.`;
  const kept = [...tensors].filter(
    ([name]) => name !== 'text_projection.weight' && (activation === 'quick_gelu' || !name.startsWith(last)),
  );
  return { tensors: new Map(kept), activation };
}

export function encoderIn({ tensors, activation }: Encoder, own: Config, sidecar: string): Part {
  const root = tensors.has('text_model.final_layer_norm.weight') ? 'text_model.' : '';
  const kept = new Map([...tensors].filter(([name]) => !/(^|\.)(position_ids|logit_scale)$/.test(name)));
  const embedding = shapeOf(kept, `${root}embeddings.token_embedding.weight`);
  const [vocabulary = 0, width = 0] = embedding;
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
    // The end of a text is the last word of CLIP's vocabulary.
    eos_token_id: vocabulary - 1,
    ...(projection !== undefined && { projection_dim: projection }),
    ...own,
  };
  if (!Number.isInteger(config.num_attention_heads)) {
    throw untold(`it has ${width} channels, so not heads of 64`, 'num_attention_heads', sidecar);
  }
  return { tensors: kept, config };
}

/** An autoencoder under `first_stage_model.` or, where that is missing, in the whole file, in either layout. */
export function autoencoderIn(tensors: StoredTensors, own: Config, sidecar: string): Part {
  const inside = below(tensors, 'first_stage_model.');
  const stored = inside.size > 0 ? inside : tensors;
  const levels = countWhile((i) => stored.has(`decoder.up.${i}.block.0.conv1.weight`));
  const renamed = new Map<string, StoredTensor>();
  for (const [name, tensor] of stored) {
    if (!/^(encoder|decoder|quant_conv|post_quant_conv)\./.test(name)) continue;
    renamed.set(levels > 0 ? autoencoderPath(name, levels) : name, tensor);
  }
  const conv1 = (level: number, layer: number) => `encoder.down_blocks.${level}.resnets.${layer}.conv1.weight`;
  const channels = Array.from(
    { length: countWhile((level) => renamed.has(conv1(level, 0))) },
    (_, level) => renamed.get(conv1(level, 0))!.shape[0]!,
  );
  const config = {
    _class_name: 'AutoencoderKL',
    block_out_channels: channels,
    layers_per_block: countWhile((layer) => renamed.has(conv1(0, layer))),
    latent_channels: shapeOf(renamed, 'decoder.conv_in.weight')[1],
    norm_num_groups: 32,
    ...own,
  };
  checkGroups(config.norm_num_groups, channels, sidecar);
  return { tensors: renamed, config };
}

export function unetIn(
  original: StoredTensors,
  options: { isXL: boolean; refiner: boolean; second: Encoder | undefined; sidecar: string; own: Config },
): Part {
  const { isXL, own, sidecar } = options;
  const channels: number[] = [];
  const layers: number[] = [];
  const depths: number[] = [];
  let level = 0;
  for (let block = 1; ; block++) {
    const path = `input_blocks.${block}`;
    if (original.has(`${path}.0.op.weight`)) {
      level++;
      continue;
    }
    const [width] = original.get(`${path}.0.out_layers.3.weight`)?.shape ?? [];
    if (width === undefined) break;
    channels[level] = width;
    layers[level] = (layers[level] ?? 0) + 1;
    depths[level] = countWhile((i) => original.has(`${path}.1.transformer_blocks.${i}.norm1.weight`));
  }
  if (channels.length === 0 || channels.includes(undefined as never)) {
    throw new ModelError('it has no input_blocks in the order of the original layout.');
  }
  const attends = depths.map((depth) => depth > 0);
  const linear = shapeOf(original, 'middle_block.1.proj_in.weight').length === 2;
  const [model, channelsIn] = shapeOf(original, 'input_blocks.0.0.weight');
  const config: Config = {
    _class_name: 'UNet2DConditionModel',
    in_channels: channelsIn,
    out_channels: shapeOf(original, 'out.2.weight')[0],
    block_out_channels: channels,
    layers_per_block: layers.every((count) => count === layers[0]) ? layers[0] : layers,
    down_block_types: attends.map((attend) => (attend ? 'CrossAttnDownBlock2D' : 'DownBlock2D')),
    up_block_types: attends.map((attend) => (attend ? 'CrossAttnUpBlock2D' : 'UpBlock2D')).reverse(),
    transformer_layers_per_block: depths.map((depth) => Math.max(depth, 1)),
    cross_attention_dim: shapeOf(original, 'middle_block.1.transformer_blocks.0.attn2.to_k.weight')[1],
    use_linear_projection: linear,
    // The name notwithstanding, these are numbers of heads; see UNet2DConditionConfig.
    attention_head_dim: linear ? channels.map((width) => width / 64) : 8,
    norm_num_groups: 32,
    sample_size: isXL ? 128 : 64,
  };
  const [conditioned] = [original.get('time_embed.cond_proj.weight')?.shape[1]];
  if (conditioned !== undefined) config.time_cond_proj_dim = conditioned;
  if (isXL) {
    // What the text does not take of this input are sines and cosines of six numbers; the refiner has five.
    const [, all = 0] = shapeOf(original, 'label_emb.0.0.weight');
    const projected = shapeOf(options.second?.tensors ?? new Map(), 'text_projection.weight')[0] ?? 0;
    config.addition_embed_type = 'text_time';
    const each = (all - projected) / (options.refiner ? 5 : 6);
    if (!Number.isInteger(each) || each <= 0) {
      throw new ModelError(`label_emb takes ${all} channels, of which ${projected} are text; the rest are no sizes.`);
    }
    config.addition_time_embed_dim = each;
    config.projection_class_embeddings_input_dim = all;
  }
  Object.assign(config, own);
  const heads = config.attention_head_dim;
  if (Array.isArray(heads) && !heads.every((count, i) => Number.isInteger(count) || !attends[i])) {
    throw untold(`it has ${channels.join(', ')} channels, so not heads of 64`, 'attention_head_dim', sidecar);
  }
  if (Array.isArray(heads)) config.attention_head_dim = heads.map((count) => Math.ceil(Number(count)));
  checkGroups(config.norm_num_groups, [model ?? 0, ...channels], sidecar);

  const paths = new Map(unetPaths(config));
  const tensors = new Map<string, StoredTensor>();
  for (const [name, tensor] of original) {
    const renamed = renamedUNetTensor(name, paths);
    if (renamed !== undefined) tensors.set(renamed, tensor);
  }
  return { tensors, config };
}

/** The longest beginning of the name that is a module with a name of its own decides. */
function renamedUNetTensor(name: string, paths: ReadonlyMap<string, string>): string | undefined {
  for (let end = name.lastIndexOf('.'); end > 0; end = name.lastIndexOf('.', end - 1)) {
    const renamed = paths.get(name.slice(0, end));
    if (renamed !== undefined) return renamed + name.slice(end);
  }
  return undefined;
}

function checkGroups(groups: unknown, channels: readonly number[], sidecar: string): void {
  if (typeof groups !== 'number' || groups < 1 || channels.some((width) => width % groups !== 0)) {
    throw untold(`its ${channels.join(', ')} channels are no multiples of 32`, 'norm_num_groups', sidecar);
  }
}

function untold(because: string, field: string, sidecar: string): ModelError {
  return new ModelError(
    `${because}, and the file cannot say what it has instead: give its ${field} in ${sidecar}, as {"<component>": {"${field}": …}}.`,
  );
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
