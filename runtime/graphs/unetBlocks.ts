import type { StoredTensors } from '../files/safetensors.ts';
import { type GraphBuilder, GraphError, type Value } from './builder.ts';
import {
  addAndNorm,
  attention,
  conv,
  dense,
  gegluProduct,
  groupNorm,
  layerNorm,
  linear,
  linearProduct,
  silu,
  upsample,
} from './layers.ts';

/** `unet/config.json` as diffusers writes it; what is absent has diffusers' default. */
export interface UNet2DConditionConfig {
  _class_name?: string;
  center_input_sample?: boolean;
  flip_sin_to_cos?: boolean;
  freq_shift?: number;
  down_block_types?: string[];
  mid_block_type?: string | null;
  up_block_types?: string[];
  block_out_channels?: number[];
  norm_num_groups?: number | null;
  norm_eps?: number;
  /** Means the number of heads, unless `num_attention_heads` is given: a naming mistake that every config repeats. */
  attention_head_dim?: number | number[];
  num_attention_heads?: number | number[] | null;
  addition_embed_type?: string | null;
  addition_time_embed_dim?: number | null;
  time_cond_proj_dim?: number | null;
  [other: string]: unknown;
}

export interface TimestepForm {
  /** Dtype of the input `timestep`; default float32. */
  timestep?: 'float32' | 'int64' | undefined;
  /** Rank of the input `timestep`: 1 (default) is one timestep for each sample, 0 is one for all. */
  timestepRank?: 0 | 1 | undefined;
}

const layerNormEpsilon = 1e-5;
const transformerNormEpsilon = 1e-6;
/** Blocks on the way down where the config lists none. */
const defaultBlocks = 4;

/** What a block needs of its surroundings. */
export interface Context {
  graph: GraphBuilder;
  groups: number;
  epsilon: number;
  /** silu of the time embedding, [batch, 4 · first channels]. */
  time: Value;
  /** [batch, length, cross attention channels] */
  text: Value;
  /** Attention in float32; see `float32Parts.upcastAttention`. */
  upcast: boolean;
  /** How many IP-Adapters the cross attentions take. */
  imageAdapters: number;
}

/** Settings that would change the network in ways this file does not know, with the values it does. */
const understood: Record<string, readonly unknown[]> = {
  mid_block_type: ['UNetMidBlock2DCrossAttn', null],
  act_fn: ['silu', 'swish'],
  time_embedding_type: ['positional'],
  time_embedding_act_fn: [null],
  time_embedding_dim: [null],
  timestep_post_act: [null],
  class_embed_type: [null],
  num_class_embeds: [null],
  addition_embed_type: [null, 'text_time'],
  encoder_hid_dim_type: [null],
  encoder_hid_dim: [null],
  resnet_time_scale_shift: ['default'],
  resnet_skip_time_act: [false],
  resnet_out_scale_factor: [1, null],
  mid_block_scale_factor: [1],
  only_cross_attention: [false],
  dual_cross_attention: [false],
  attention_type: ['default'],
  cross_attention_norm: [null],
  mid_block_only_cross_attention: [null, false],
  downsample_padding: [1],
  conv_in_kernel: [3],
  conv_out_kernel: [3],
};

/**
 * @param name - what errors call the network
 * @throws {GraphError} naming the setting and the values that are supported
 */
export function checkUNet(config: UNet2DConditionConfig, name = 'UNet'): void {
  for (const [key, values] of Object.entries(understood)) {
    const value = config[key];
    if (value === undefined || values.includes(value)) continue;
    if (Array.isArray(value) && value.every((item) => values.includes(item))) continue;
    throw new GraphError(
      `The ${name}'s config says ${key}: ${JSON.stringify(value)}; supported: ${values.map((v) => JSON.stringify(v)).join(', ')}.`,
    );
  }
  const blocks = ['CrossAttnDownBlock2D', 'DownBlock2D', 'CrossAttnUpBlock2D', 'UpBlock2D'];
  for (const type of [...(config.down_block_types ?? []), ...(config.up_block_types ?? [])]) {
    if (!blocks.includes(type)) {
      throw new GraphError(`The ${name} has a block of type "${type}"; supported are ${blocks.join(', ')}.`);
    }
  }
}

/** The inputs that UNets and ControlNets share, the sample made ready for the first convolution, and the heads of attention of each block on the way down. */
export function startUNet(
  graph: GraphBuilder,
  config: UNet2DConditionConfig,
  tensors: StoredTensors,
  form: TimestepForm & { imageAdapters?: number | undefined },
): { context: Context; sample: Value; heads: number[] } {
  const heads = headsOf(config, config.down_block_types?.length ?? defaultBlocks);
  const [inner, channels] = graph.shapeOf('conv_in.weight') as [number, number];
  let sample = graph.enter('sample', ['batch', channels, 'height', 'width']);
  const timestep = graph.input('timestep', form.timestep ?? 'float32', form.timestepRank === 0 ? [] : ['batch']);
  const text = graph.enter('encoder_hidden_states', ['batch', 'length', textWidth(graph, tensors)]);
  const time = timeEmbedding(graph, config, timestep, inner, form);
  if (config.center_input_sample) {
    const doubled = graph.node('Mul', [sample, graph.scalar(2)], { name: 'conv_in' });
    sample = graph.node('Sub', [doubled, graph.scalar(1)], { name: 'conv_in' });
  }
  const context = {
    graph,
    groups: config.norm_num_groups ?? 32,
    epsilon: config.norm_eps ?? 1e-5,
    time,
    text,
    upcast: config.upcast_attention === true,
    imageAdapters: form.imageAdapters ?? 0,
  };
  return { context, sample, heads };
}

/** From the first convolution to the smallest size; `skips` are its states, that of the first convolution included. */
export function downBlocks(context: Context, first: Value, heads: readonly number[]): { last: Value; skips: Value[] } {
  const { graph } = context;
  let x = first;
  const skips = [x];
  for (const [block, blockHeads] of heads.entries()) {
    const path = `down_blocks.${block}`;
    for (let i = 0; graph.has(`${path}.resnets.${i}.conv1.weight`); i++) {
      x = resnet(context, x, `${path}.resnets.${i}`);
      if (graph.has(`${path}.attentions.${i}.norm.weight`)) {
        x = transformer(context, x, `${path}.attentions.${i}`, blockHeads);
      }
      skips.push(x);
    }
    if (graph.has(`${path}.downsamplers.0.conv.weight`)) {
      x = conv(graph, x, `${path}.downsamplers.0.conv`, { stride: 2 });
      skips.push(x);
    }
  }
  return { last: x, skips };
}

export function middle(context: Context, x: Value, heads: number): Value {
  const { graph } = context;
  if (!graph.has('mid_block.resnets.0.conv1.weight')) return x;
  let y = resnet(context, x, 'mid_block.resnets.0');
  for (let i = 0; graph.has(`mid_block.resnets.${i + 1}.conv1.weight`); i++) {
    if (graph.has(`mid_block.attentions.${i}.norm.weight`)) {
      y = transformer(context, y, `mid_block.attentions.${i}`, heads);
    }
    y = resnet(context, y, `mid_block.resnets.${i + 1}`);
  }
  return y;
}

/** A layer of the way up: a resnet, and where the weights have them a transformer and the upsampler that ends a block. */
export interface LayerUp {
  block: number;
  index: number;
}

/** All layers of the way up, in order. */
export function layersUp(graph: GraphBuilder, blocks: number): LayerUp[] {
  const layers: LayerUp[] = [];
  for (let block = 0; block < blocks; block++) {
    for (let index = 0; graph.has(`up_blocks.${block}.resnets.${index}.conv1.weight`); index++) {
      layers.push({ block, index });
    }
  }
  return layers;
}

/** Part of the way up; takes its `skips` from the end of those of the way down. */
export function wayUp(
  context: Context,
  from: Value,
  layers: readonly LayerUp[],
  skips: Value[],
  heads: readonly number[],
): Value {
  const { graph } = context;
  let x = from;
  for (const { block, index } of layers) {
    const path = `up_blocks.${block}`;
    const inside = `${path}.resnets.${index}`;
    const skip = skips.pop();
    if (skip === undefined) throw new GraphError(`The up blocks have more layers than the down blocks (at ${inside}).`);
    x = graph.node('Concat', [x, skip], { name: inside, attributes: { axis: 1 } });
    x = resnet(context, x, inside);
    if (graph.has(`${path}.attentions.${index}.norm.weight`)) {
      x = transformer(context, x, `${path}.attentions.${index}`, heads.at(-1 - block)!);
    }
    const isLast = !graph.has(`${path}.resnets.${index + 1}.conv1.weight`);
    if (isLast && graph.has(`${path}.upsamplers.0.conv.weight`)) {
      x = conv(graph, upsample(graph, x, `${path}.upsamplers.0`, skips.at(-1)), `${path}.upsamplers.0.conv`);
    }
  }
  return x;
}

/** Heads of attention for each block on the way down; the way up mirrors them. */
function headsOf(config: UNet2DConditionConfig, blocks: number): number[] {
  const given = config.num_attention_heads ?? config.attention_head_dim ?? 8;
  const heads = typeof given === 'number' ? new Array<number>(blocks).fill(given) : given;
  if (heads.length !== blocks) {
    throw new GraphError(`The UNet's config gives heads of attention for ${heads.length} of ${blocks} blocks.`);
  }
  return heads;
}

function textWidth(graph: GraphBuilder, tensors: StoredTensors): number | string {
  for (const name of tensors.keys()) if (name.endsWith('.attn2.to_k.weight')) return graph.shapeOf(name)[1]!;
  return 'text_width';
}

/**
 * The time embedding after its last activation, which every block applies anyway: [batch, 4 · inner].
 * For XL the pooled text and the sizes of the picture are added (text_time).
 */
function timeEmbedding(
  graph: GraphBuilder,
  config: UNet2DConditionConfig,
  timestep: Value,
  inner: number,
  form: TimestepForm,
): Value {
  let steps = form.timestep === 'int64' ? graph.cast(timestep, 'float32', 'time_proj') : timestep;
  steps = graph.node('Reshape', [steps, graph.ints([-1, 1])], { name: 'time_proj' });
  let x = sinusoids(graph, config, steps, inner, 'time_proj');
  if (config.time_cond_proj_dim) {
    const condition = graph.enter('timestep_cond', ['batch', config.time_cond_proj_dim]);
    x = graph.node('Add', [x, linear(graph, condition, 'time_embedding.cond_proj')], { name: 'time_embedding' });
  }
  x = silu(graph, dense(graph, x, 'time_embedding.linear_1'), 'time_embedding.act');
  x = dense(graph, x, 'time_embedding.linear_2');
  if (config.addition_embed_type === 'text_time') {
    const each = config.addition_time_embed_dim;
    if (!each) throw new GraphError(`The UNet's config gives no addition_time_embed_dim, which text_time needs.`);
    // Widths stay free: XL gives six numbers and its refiner five, and the weights only hold the sum of both inputs.
    const pooled = graph.enter('text_embeds', ['batch', 'text_embeds_width']);
    const ids = graph.enterWide('time_ids', ['batch', 'time_ids_count']);
    const numbers = graph.node('Unsqueeze', [ids, graph.ints([2])], { name: 'add_time_proj' });
    // [batch, 6, 1] → [batch, 6, each] → [batch, 6 · each]
    const waves = sinusoids(graph, config, numbers, each, 'add_time_proj');
    const flat = graph.node('Reshape', [waves, graph.ints([0, -1])], { name: 'add_time_proj' });
    let added = graph.node('Concat', [pooled, flat], { name: 'add_embedding', attributes: { axis: 1 } });
    added = silu(graph, dense(graph, added, 'add_embedding.linear_1'), 'add_embedding.act');
    added = dense(graph, added, 'add_embedding.linear_2');
    x = graph.node('Add', [x, added], { name: 'add_embedding' });
  }
  return silu(graph, x, 'time_embedding.act_2');
}

/** Sinusoidal position encoding (Vaswani et al. 2017, section 3.5): [..., 1] → [..., width], computed in float32. */
function sinusoids(graph: GraphBuilder, config: UNet2DConditionConfig, x: Value, width: number, name: string): Value {
  if (width % 2 !== 0) throw new GraphError(`The UNet's time embedding has an odd width of ${width}.`);
  const half = width / 2;
  // frequency[i] = 10000^(-i / (half - freq_shift))
  const frequencies = Array.from({ length: half }, (_, i) =>
    Math.exp((-Math.log(10000) * i) / (half - (config.freq_shift ?? 0))),
  );
  const angles = graph.node('Mul', [x, graph.floats(frequencies)], { name });
  const waves = ['Sin', 'Cos'].map((type) => graph.node(type, [angles], { name }));
  if (config.flip_sin_to_cos ?? true) waves.reverse();
  return graph.inPrecision(graph.node('Concat', waves, { name, attributes: { axis: -1 } }), name);
}

export function resnet({ graph, groups, epsilon, time }: Context, x: Value, path: string): Value {
  let y = silu(graph, groupNorm(graph, x, `${path}.norm1`, groups, epsilon), `${path}.nonlinearity`);
  y = conv(graph, y, `${path}.conv1`);
  const channels = graph.shapeOf(`${path}.conv1.weight`)[0]!;
  const shift = graph.node('Reshape', [dense(graph, time, `${path}.time_emb_proj`), graph.ints([-1, channels, 1, 1])], {
    name: `${path}.time_emb_proj`,
  });
  y = graph.node('Add', [y, shift], { name: path });
  y = silu(graph, groupNorm(graph, y, `${path}.norm2`, groups, epsilon), `${path}.nonlinearity`);
  y = conv(graph, y, `${path}.conv2`);
  const skip = graph.has(`${path}.conv_shortcut.weight`) ? conv(graph, x, `${path}.conv_shortcut`) : x;
  return graph.node('Add', [y, skip], { name: path });
}

/** Attention of every position to the others and to the text, over [batch, channels, height, width]. */
export function transformer(
  { graph, groups, text, upcast, imageAdapters }: Context,
  x: Value,
  path: string,
  heads: number,
): Value {
  const channels = graph.shapeOf(`${path}.norm.weight`)[0]!;
  const normal = groupNorm(graph, x, `${path}.norm`, groups, transformerNormEpsilon);
  // [batch, channels, height, width] → [batch, height · width, channels]. A linear layer and a 1×1 convolution are the
  // same sum over channels, so `use_linear_projection` changes nothing but the shape in which the weights are stored.
  const flat = graph.node('Reshape', [normal, graph.ints([0, channels, -1])], { name: path });
  const tokens = graph.node('Transpose', [flat], { name: path, attributes: { perm: [0, 2, 1] } });
  let y = linear(graph, tokens, `${path}.proj_in`);

  const blockPath = (block: number) => `${path}.transformer_blocks.${block}`;
  let normalized = layerNorm(graph, y, `${blockPath(0)}.norm1`, layerNormEpsilon);
  for (let block = 0; ; block++) {
    const inside = blockPath(block);
    let mixed = attend(graph, normalized, normalized, `${inside}.attn1`, { heads, upcast });
    let bias = graph.weight(`${inside}.attn1.to_out.0.bias`);
    [normalized, y] = addAndNorm(graph, mixed, y, bias, `${inside}.norm2`, layerNormEpsilon);
    mixed = attend(graph, normalized, text, `${inside}.attn2`, { heads, upcast, imageAdapters });
    bias = graph.weight(`${inside}.attn2.to_out.0.bias`);
    [normalized, y] = addAndNorm(graph, mixed, y, bias, `${inside}.norm3`, layerNormEpsilon);
    mixed = gegluProduct(graph, normalized, `${inside}.ff`);
    bias = graph.weight(`${inside}.ff.net.2.bias`);
    if (!graph.has(`${blockPath(block + 1)}.norm1.weight`)) {
      y = graph.node('Add', [graph.node('Add', [mixed, bias], { name: inside }), y], { name: inside });
      break;
    }
    [normalized, y] = addAndNorm(graph, mixed, y, bias, `${blockPath(block + 1)}.norm1`, layerNormEpsilon);
  }

  y = linear(graph, y, `${path}.proj_out`);
  const back = graph.node('Transpose', [y], { name: path, attributes: { perm: [0, 2, 1] } });
  const image = graph.node('Reshape', [back, graph.node('Shape', [x], { name: path })], { name: path });
  return graph.node('Add', [image, x], { name: path });
}

/** Attention from `x` to `to` and, apart from it, to the pictures of IP-Adapters; without the bias of its last layer. */
function attend(
  graph: GraphBuilder,
  x: Value,
  to: Value,
  path: string,
  { imageAdapters = 0, ...options }: { heads: number; upcast: boolean; imageAdapters?: number },
): Value {
  const query = linear(graph, x, `${path}.to_q`);
  const key = linear(graph, to, `${path}.to_k`);
  const value = linear(graph, to, `${path}.to_v`);
  const width = graph.shapeOf(`${path}.to_q.weight`)[0]!;
  let mixed = attention(graph, query, key, value, path, { ...options, width });
  for (let i = 0; i < imageAdapters; i++) {
    const [keys, values] = ['keys', 'values'].map((which) =>
      graph.enter(`${path}.image_${which}.${i}`, ['batch', `image_tokens.${i}`, width]),
    ) as [Value, Value];
    const name = `${path}.image.${i}`;
    const seen = attention(graph, query, keys, values, name, { ...options, width });
    mixed = graph.node('Add', [mixed, seen], { name });
  }
  return linearProduct(graph, mixed, `${path}.to_out.0`);
}
