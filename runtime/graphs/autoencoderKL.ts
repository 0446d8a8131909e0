import type { StoredTensors } from '../files/safetensors.ts';
import { GraphBuilder, GraphError, type GraphForm, type Value, type Written } from './builder.ts';
import { attention, conv, groupNorm, linear, silu, upsample } from './layers.ts';

/** `vae/config.json` as diffusers writes it. */
export interface AutoencoderKLConfig {
  _class_name?: string;
  norm_num_groups?: number;
  act_fn?: string;
  down_block_types?: string[];
  up_block_types?: string[];
  scaling_factor?: number;
  force_upcast?: boolean;
  batch_norm_eps?: number;
  patch_size?: number[];
}

/** Of Stable Diffusion 1 and 2, whose autoencoder fits into float16 whatever its config says. */
const SD_SCALING_FACTOR = 0.18215;

/** Side of a patch where latents come in patches. */
const PATCH = 2;
const BATCH_NORM_EPSILON = 1e-4;
const STATISTICS = 'bn.running_mean';

/** All normalizations of this network use it, whatever the config says. */
const epsilon = 1e-6;

/**
 * The encoder: `sample` [batch, 3, height, width], RGB in [-1, 1], multiples of 8 → `latent_parameters`
 * [batch, 2 · latent channels, height / 8, width / 8], the mean and then the logarithm of the variance, unscaled.
 *
 * Where the weights have statistics of patches (`bn`, FLUX.2), latents come in patches of 2 × 2 and normalized, as the
 * denoiser takes them: multiples of 16 → [batch, 2 · 4 · latent channels, height / 16, width / 16].
 */
export function writeVaeEncoder(config: AutoencoderKLConfig, tensors: StoredTensors, form?: GraphForm): Written {
  check(config);
  const graph = new GraphBuilder(tensors, formOf(config, tensors, form));
  const groups = config.norm_num_groups ?? 32;
  const channels = graph.shapeOf('encoder.conv_in.weight')[1]!;
  const sample = graph.enter('sample', ['batch', channels, 'height', 'width']);
  let x = conv(graph, sample, 'encoder.conv_in');
  for (let block = 0; graph.has(`encoder.down_blocks.${block}.resnets.0.conv1.weight`); block++) {
    const path = `encoder.down_blocks.${block}`;
    x = resnets(graph, x, path, groups);
    // Padded at the bottom and the right only, as the network was trained.
    if (graph.has(`${path}.downsamplers.0.conv.weight`)) {
      x = conv(graph, x, `${path}.downsamplers.0.conv`, { stride: 2, pads: [0, 0, 1, 1] });
    }
  }
  x = middle(graph, x, 'encoder.mid_block', groups);
  x = silu(graph, groupNorm(graph, x, 'encoder.conv_norm_out', groups, epsilon), 'encoder.conv_act');
  x = conv(graph, x, 'encoder.conv_out');
  if (graph.has('quant_conv.weight')) x = conv(graph, x, 'quant_conv');
  let parameters = graph.shapeOf('encoder.conv_out.weight')[0]!;
  if (hasPatches(graph)) {
    checkStatistics(graph, parameters / 2);
    x = normalizedPatches(graph, x, parameters / 2, config.batch_norm_eps ?? BATCH_NORM_EPSILON);
    parameters *= PATCH ** 2;
  }
  graph.leave('latent_parameters', x, ['batch', parameters, 'latent_height', 'latent_width']);
  return graph.finish('vaeEncoder');
}

/**
 * The decoder: `latent_sample` [batch, latent channels, height, width], divided by the scaling factor → `sample`
 * [batch, 3, 8 · height, 8 · width], RGB, mostly within [-1, 1]. Latents in normalized patches where the encoder gives such.
 */
export function writeVaeDecoder(config: AutoencoderKLConfig, tensors: StoredTensors, form?: GraphForm): Written {
  check(config);
  const graph = new GraphBuilder(tensors, formOf(config, tensors, form));
  const groups = config.norm_num_groups ?? 32;
  const first = graph.has('post_quant_conv.weight') ? 'post_quant_conv' : 'decoder.conv_in';
  const own = graph.shapeOf(`${first}.weight`)[1]!;
  const channels = hasPatches(graph) ? own * PATCH ** 2 : own;
  let x = graph.enter('latent_sample', ['batch', channels, 'latent_height', 'latent_width']);
  if (hasPatches(graph)) {
    checkStatistics(graph, own);
    x = latentsOfPatches(graph, x, config.batch_norm_eps ?? BATCH_NORM_EPSILON);
  }
  if (first === 'post_quant_conv') x = conv(graph, x, 'post_quant_conv');
  x = conv(graph, x, 'decoder.conv_in');
  x = middle(graph, x, 'decoder.mid_block', groups);
  for (let block = 0; graph.has(`decoder.up_blocks.${block}.resnets.0.conv1.weight`); block++) {
    const path = `decoder.up_blocks.${block}`;
    x = resnets(graph, x, path, groups);
    if (graph.has(`${path}.upsamplers.0.conv.weight`)) {
      x = conv(graph, upsample(graph, x, `${path}.upsamplers.0`), `${path}.upsamplers.0.conv`);
    }
  }
  x = silu(graph, groupNorm(graph, x, 'decoder.conv_norm_out', groups, epsilon), 'decoder.conv_act');
  x = conv(graph, x, 'decoder.conv_out');
  const colours = graph.shapeOf('decoder.conv_out.weight')[0]!;
  graph.leave('sample', x, ['batch', colours, 'height', 'width']);
  return graph.finish('vaeDecoder');
}

/**
 * Float32 throughout where float16 would overflow; see `float32Parts.autoencoder`. Weights are never held in few bits: nearly
 * all of them are those of convolutions, and what is lost here is lost in the picture itself.
 */
function formOf(
  { force_upcast: upcast, scaling_factor: factor }: AutoencoderKLConfig,
  tensors: StoredTensors,
  given: GraphForm = {},
): GraphForm {
  const form: GraphForm = { ...given, weights: 'float16' };
  const isFirst = !tensors.has(STATISTICS) && (factor ?? SD_SCALING_FACTOR) === SD_SCALING_FACTOR;
  return upcast === false || isFirst ? form : { ...form, precision: 'float32' };
}

/** Whether latents are those of 2 × 2 patches, normalized by the mean and variance of each of their channels. */
function hasPatches(graph: GraphBuilder): boolean {
  return graph.has(STATISTICS);
}

/** A statistic of each channel of a patch: [1, channels, 1, 1]. */
function statistic(graph: GraphBuilder, which: 'mean' | 'var'): Value {
  const name = `bn.running_${which}`;
  return graph.weight(name, { shape: [1, graph.shapeOf(name)[0]!, 1, 1] });
}

function variance(graph: GraphBuilder, epsilon: number): Value {
  return graph.node('Add', [statistic(graph, 'var'), graph.scalar(epsilon)], { name: 'bn' });
}

/** @throws {GraphError} where the statistics are not those of patches of so many latents */
function checkStatistics(graph: GraphBuilder, latents: number): void {
  for (const which of ['mean', 'var'] as const) {
    const name = `bn.running_${which}`;
    const [size = 0] = graph.shapeOf(name);
    if (size === latents * PATCH ** 2) continue;
    throw new GraphError(`The tensor "${name}" has ${size} values, not the expected ${latents * PATCH ** 2}.`);
  }
}

/** Mean and logarithm of the variance of `channels` latents each, as those of the normalized patches. */
function normalizedPatches(graph: GraphBuilder, x: Value, channels: number, epsilon: number): Value {
  const name = 'bn';
  const blocks = graph.node('SpaceToDepth', [x], { name, attributes: { blocksize: PATCH } });
  // The operator puts the place within a patch before the channel; it belongs after it.
  const apart = graph.node('Reshape', [blocks, graph.ints([0, PATCH ** 2, 2, channels, -1])], { name });
  const turned = graph.node('Transpose', [apart], { name, attributes: { perm: [0, 2, 3, 1, 4] } });
  const patches = graph.node('Reshape', [turned, graph.node('Shape', [blocks], { name })], { name });
  const half = channels * PATCH ** 2;
  const part = (from: number) =>
    graph.node('Slice', [patches, graph.ints([from]), graph.ints([from + half]), graph.ints([1])], { name });
  const spread = variance(graph, epsilon);
  const centred = graph.node('Sub', [part(0), statistic(graph, 'mean')], { name });
  const mean = graph.node('Div', [centred, graph.node('Sqrt', [spread], { name })], { name });
  const logarithm = graph.node('Sub', [part(half), graph.node('Log', [spread], { name })], { name });
  return graph.node('Concat', [mean, logarithm], { name, attributes: { axis: 1 } });
}

/** Normalized patches as latents of twice the height and width. Channel of a patch = channel · 4 + dy · 2 + dx. */
function latentsOfPatches(graph: GraphBuilder, x: Value, epsilon: number): Value {
  const name = 'bn';
  const scaled = graph.node('Mul', [x, graph.node('Sqrt', [variance(graph, epsilon)], { name })], { name });
  const patches = graph.node('Add', [scaled, statistic(graph, 'mean')], { name });
  return graph.node('DepthToSpace', [patches], { name, attributes: { blocksize: PATCH, mode: 'CRD' } });
}

function check(config: AutoencoderKLConfig): void {
  for (const type of [...(config.down_block_types ?? []), ...(config.up_block_types ?? [])]) {
    if (type !== 'DownEncoderBlock2D' && type !== 'UpDecoderBlock2D') {
      throw new GraphError(
        `The autoencoder has a block of type "${type}"; supported are DownEncoderBlock2D and UpDecoderBlock2D.`,
      );
    }
  }
  if (config.patch_size?.some((side) => side !== PATCH)) {
    throw new GraphError(
      `The autoencoder has patches of ${config.patch_size.join(' × ')}; only ${PATCH} × ${PATCH} are supported.`,
    );
  }
  if (config.act_fn !== undefined && config.act_fn !== 'silu' && config.act_fn !== 'swish') {
    throw new GraphError(`The autoencoder uses the activation "${config.act_fn}"; only silu is supported.`);
  }
}

function resnets(graph: GraphBuilder, x: Value, path: string, groups: number): Value {
  let y = x;
  for (let i = 0; graph.has(`${path}.resnets.${i}.conv1.weight`); i++)
    y = resnet(graph, y, `${path}.resnets.${i}`, groups);
  return y;
}

function resnet(graph: GraphBuilder, x: Value, path: string, groups: number): Value {
  let y = silu(graph, groupNorm(graph, x, `${path}.norm1`, groups, epsilon), `${path}.norm1`);
  y = conv(graph, y, `${path}.conv1`);
  y = silu(graph, groupNorm(graph, y, `${path}.norm2`, groups, epsilon), `${path}.norm2`);
  y = conv(graph, y, `${path}.conv2`);
  const skip = graph.has(`${path}.conv_shortcut.weight`) ? conv(graph, x, `${path}.conv_shortcut`) : x;
  return graph.node('Add', [y, skip], { name: path });
}

function middle(graph: GraphBuilder, x: Value, path: string, groups: number): Value {
  let y = resnet(graph, x, `${path}.resnets.0`, groups);
  if (graph.has(`${path}.attentions.0.group_norm.weight`)) y = selfAttention(graph, y, `${path}.attentions.0`, groups);
  return resnet(graph, y, `${path}.resnets.1`, groups);
}

/** One head over all positions. Checkpoints of diffusers before 0.18 call the four projections by other names. */
function selfAttention(graph: GraphBuilder, x: Value, path: string, groups: number): Value {
  const [query, key, value, out] = graph.has(`${path}.to_q.weight`)
    ? ['to_q', 'to_k', 'to_v', 'to_out.0']
    : ['query', 'key', 'value', 'proj_attn'];
  const channels = graph.shapeOf(`${path}.group_norm.weight`)[0]!;
  const normal = groupNorm(graph, x, `${path}.group_norm`, groups, epsilon);
  // [batch, channels, height, width] → [batch, height · width, channels]
  const flat = graph.node('Reshape', [normal, graph.ints([0, channels, -1])], { name: path });
  const tokens = graph.node('Transpose', [flat], { name: path, attributes: { perm: [0, 2, 1] } });
  const [q, k, v] = [query, key, value].map((name) => linear(graph, tokens, `${path}.${name}`)) as [
    Value,
    Value,
    Value,
  ];
  const attended = linear(graph, attention(graph, q, k, v, path, { heads: 1, width: channels }), `${path}.${out}`);
  const back = graph.node('Transpose', [attended], { name: path, attributes: { perm: [0, 2, 1] } });
  const shape = graph.node('Shape', [x], { name: path });
  const image = graph.node('Reshape', [back, shape], { name: path });
  return graph.node('Add', [image, x], { name: path });
}
