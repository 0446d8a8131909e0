import type { StoredTensors } from '../files/safetensors.ts';
import { type AdaptedForm, GraphBuilder, GraphError, type Value, type Written } from './builder.ts';
import { conv, groupNorm, silu } from './layers.ts';
import {
  type Context,
  checkUNet,
  downBlocks,
  type LayerUp,
  layersUp,
  middle,
  startUNet,
  type TimestepForm,
  type UNet2DConditionConfig,
  wayUp,
} from './unetBlocks.ts';

export type { UNet2DConditionConfig } from './unetBlocks.ts';

export interface UNetForm extends AdaptedForm, TimestepForm {
  /**
   * Takes what ControlNets add: `down_block_additional_residuals.<i>`, in the order in which the way down leaves its
   * states, and `mid_block_additional_residual`. They are broadcast, so a zero of shape [1, 1, 1, 1] adds nothing.
   */
  residuals?: boolean | undefined;
  /**
   * How many IP-Adapters it takes, default 0. For each there are inputs of keys and values of image tokens at every cross
   * attention: `<module path>.image_keys.<i>` and `.image_values.<i>` [batch, tokens, channels]. Weights of an adapter are
   * multiplied into them. Zeros of one token add nothing, to the bit.
   */
  imageAdapters?: number | undefined;
  /** Gives also `deep_features`, what the graph of `writeShallowUNet` goes on from. */
  deep?: boolean | undefined;
}

/**
 * The UNet of Stable Diffusion 1.x, 2.x and XL.
 *
 * Inputs: `sample` [batch, channels, height, width]; `timestep` [batch]; `encoder_hidden_states` [batch, length, width];
 * for XL also `text_embeds` [batch, width] and `time_ids` [batch, 6]; for models distilled with a guidance embedding also
 * `timestep_cond` [batch, width]. Output: `out_sample` [batch, channels, height, width].
 *
 * The weights say how many layers a block has and which of them attend, so pruned networks need no config of their own.
 */
export function writeUNet2DCondition(
  config: UNet2DConditionConfig,
  tensors: StoredTensors,
  form: UNetForm = {},
): Written {
  checkUNet(config);
  const graph = new GraphBuilder(tensors, form);
  const { context, sample, heads } = startUNet(graph, config, tensors, form);

  let x = conv(graph, sample, 'conv_in');
  const { last, skips } = downBlocks(context, x, heads);
  x = middle(context, last, heads.at(-1)!);
  if (form.residuals) {
    addResiduals(graph, skips);
    x = addResidual(graph, x, 'mid_block_additional_residual');
  }

  const layers = layersUp(graph, config.up_block_types?.length ?? heads.length);
  const deep = wayUp(context, x, layers.slice(0, -1), skips, heads);
  end(context, wayUp(context, deep, layers.slice(-1), skips, heads));
  // Behind the other output, which callers take for the first.
  if (form.deep) graph.leave('deep_features', deep, deepShape(graph, lastLayerUp(tensors)));
  return graph.finish('unet2DCondition');
}

/**
 * The UNet without its deep part: the first convolution, the last layer of the way up, and the output (branch 0 of
 * DeepCache: Ma, Fang, Wang 2023, arXiv 2312.00858). For the features of the same call it gives what the whole UNet gives.
 *
 * One layer and not more: at half the width of Stable Diffusion 1.5 it costs a ninth of the whole network (at its full width
 * a twelfth), two layers cost a third and three more than half. Pictures of the embedded model were better for the same
 * time with more whole steps than with more layers in between (bench/deepCache.ts).
 *
 * @param tensors - all of a UNet's, or what `shallowTensors` leaves of them
 * @param form - inputs are those of the whole UNet in this form, used or not, and `deep_features`; of residuals only the
 *   first, which is added to what the first convolution gives
 */
export function writeShallowUNet(config: UNet2DConditionConfig, tensors: StoredTensors, form: UNetForm = {}): Written {
  checkUNet(config);
  const graph = new GraphBuilder(tensors, form);
  const { context, sample, heads } = startUNet(graph, config, tensors, form);
  const skips = [conv(graph, sample, 'conv_in')];
  if (form.residuals) addResiduals(graph, skips);
  const last = lastLayerUp(tensors);
  const deep = graph.enter('deep_features', deepShape(graph, last));
  end(context, wayUp(context, deep, [last], skips, heads));
  return graph.finish('shallowUNet');
}

/** The weights that a shallow graph has, of all of a UNet's. */
export function shallowTensors(tensors: StoredTensors): StoredTensors {
  const { block, index } = lastLayerUp(tensors);
  const last = ['resnets', 'attentions'].map((kind) => `up_blocks.${block}.${kind}.${index}.`);
  const kept = ['conv_in.', 'time_embedding.', 'add_embedding.', ...last, 'conv_norm_out.', 'conv_out.'];
  return new Map([...tensors].filter(([name]) => kept.some((prefix) => name.startsWith(prefix))));
}

function lastLayerUp(tensors: StoredTensors): LayerUp {
  const layers = [...tensors.keys()].flatMap((name) => {
    const [, block, index] = /^up_blocks\.(\d+)\.resnets\.(\d+)\./.exec(name) ?? [];
    return block === undefined ? [] : { block: Number(block), index: Number(index) };
  });
  const last = layers.sort((a, b) => a.block - b.block || a.index - b.index).at(-1);
  if (!last) throw new GraphError('The UNet has no up blocks.');
  return last;
}

/** Of what enters a layer: all its channels but those that it is joined with. */
function deepShape(graph: GraphBuilder, { block, index }: LayerUp): (number | string)[] {
  const [joined] = graph.shapeOf(`up_blocks.${block}.resnets.${index}.norm1.weight`) as [number];
  const [skipped] = graph.shapeOf('conv_in.weight') as [number];
  return ['batch', joined - skipped, 'height', 'width'];
}

/** From the last state of the way up to the output. */
function end({ graph, groups, epsilon }: Context, last: Value): void {
  const x = conv(graph, silu(graph, groupNorm(graph, last, 'conv_norm_out', groups, epsilon), 'conv_act'), 'conv_out');
  const channels = graph.shapeOf('conv_out.weight')[0]!;
  graph.leave('out_sample', x, ['batch', channels, 'height', 'width']);
}

function addResiduals(graph: GraphBuilder, skips: Value[]): void {
  for (const [i, skip] of skips.entries()) skips[i] = addResidual(graph, skip, `down_block_additional_residuals.${i}`);
}

function addResidual(graph: GraphBuilder, x: Value, name: string): Value {
  // Dimensions of its own: a name shared with the sample's would say that they are equal, which a lone zero is not.
  const shape = ['batch', 'channels', 'height', 'width'].map((dim) => `${name}.${dim}`);
  return graph.node('Add', [x, graph.enter(name, shape)], { name, like: x });
}
