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
}

/** Of Stable Diffusion 1 and 2, whose autoencoder fits into float16 whatever its config says. */
const SD_SCALING_FACTOR = 0.18215;

/** All normalizations of this network use it, whatever the config says. */
const epsilon = 1e-6;

/**
 * The encoder: `sample` [batch, 3, height, width], RGB in [-1, 1], multiples of 8 → `latent_parameters`
 * [batch, 2 · latent channels, height / 8, width / 8], the mean and then the logarithm of the variance, unscaled.
 */
export function writeVaeEncoder(config: AutoencoderKLConfig, tensors: StoredTensors, form?: GraphForm): Written {
  check(config);
  const graph = new GraphBuilder(tensors, formOf(config, form));
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
  const parameters = graph.shapeOf('encoder.conv_out.weight')[0]!;
  graph.leave('latent_parameters', x, ['batch', parameters, 'latent_height', 'latent_width']);
  return graph.finish('vaeEncoder');
}

/**
 * The decoder: `latent_sample` [batch, latent channels, height, width], divided by the scaling factor → `sample`
 * [batch, 3, 8 · height, 8 · width], RGB, mostly within [-1, 1].
 */
export function writeVaeDecoder(config: AutoencoderKLConfig, tensors: StoredTensors, form?: GraphForm): Written {
  check(config);
  const graph = new GraphBuilder(tensors, formOf(config, form));
  const groups = config.norm_num_groups ?? 32;
  const first = graph.has('post_quant_conv.weight') ? 'post_quant_conv' : 'decoder.conv_in';
  const channels = graph.shapeOf(`${first}.weight`)[1]!;
  let x = graph.enter('latent_sample', ['batch', channels, 'latent_height', 'latent_width']);
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

/** Float32 throughout where float16 would overflow; see `float32Parts.autoencoder`. */
function formOf(
  { force_upcast: upcast, scaling_factor: factor }: AutoencoderKLConfig,
  form: GraphForm = {},
): GraphForm {
  const fits = upcast === false || (factor ?? SD_SCALING_FACTOR) === SD_SCALING_FACTOR;
  return fits ? form : { ...form, precision: 'float32' };
}

function check(config: AutoencoderKLConfig): void {
  for (const type of [...(config.down_block_types ?? []), ...(config.up_block_types ?? [])]) {
    if (type !== 'DownEncoderBlock2D' && type !== 'UpDecoderBlock2D') {
      throw new GraphError(
        `The autoencoder has a block of type "${type}"; supported are DownEncoderBlock2D and UpDecoderBlock2D.`,
      );
    }
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
