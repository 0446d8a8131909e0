import type { StoredTensors } from '../checkpoints/safetensors.ts';
import { type AdaptedForm, GraphBuilder, GraphError, type Value, type Written } from './builder.ts';
import { conv, groupNorm, silu, upsample } from './layers.ts';
import {
  checkUNet,
  middle,
  resnet,
  startUNet,
  type TimestepForm,
  transformer,
  type UNet2DConditionConfig,
  wayDown,
} from './unetBlocks.ts';

export type { UNet2DConditionConfig } from './unetBlocks.ts';

export interface UNetForm extends AdaptedForm, TimestepForm {
  /**
   * Takes what ControlNets add: `down_block_additional_residuals.<i>`, in the order in which the way down leaves its
   * states, and `mid_block_additional_residual`. They are broadcast, so a zero of shape [1, 1, 1, 1] adds nothing.
   */
  residuals?: boolean | undefined;
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
  const { last, skips } = wayDown(context, x, heads);
  x = middle(context, last, heads.at(-1)!);
  if (form.residuals) {
    for (const [i, skip] of skips.entries()) {
      skips[i] = addResidual(graph, skip, `down_block_additional_residuals.${i}`);
    }
    x = addResidual(graph, x, 'mid_block_additional_residual');
  }

  const upBlocks = config.up_block_types?.length ?? heads.length;
  for (let block = 0; block < upBlocks; block++) {
    const path = `up_blocks.${block}`;
    for (let i = 0; graph.has(`${path}.resnets.${i}.conv1.weight`); i++) {
      const skip = skips.pop();
      if (skip === undefined)
        throw new GraphError(`The way up has more layers than the way down (at ${path}.resnets.${i}).`);
      x = graph.node('Concat', [x, skip], { name: `${path}.resnets.${i}`, attributes: { axis: 1 } });
      x = resnet(context, x, `${path}.resnets.${i}`);
      if (graph.has(`${path}.attentions.${i}.norm.weight`)) {
        x = transformer(context, x, `${path}.attentions.${i}`, heads.at(-1 - block)!);
      }
    }
    if (graph.has(`${path}.upsamplers.0.conv.weight`)) {
      x = conv(graph, upsample(graph, x, `${path}.upsamplers.0`, skips.at(-1)), `${path}.upsamplers.0.conv`);
    }
  }

  x = silu(graph, groupNorm(graph, x, 'conv_norm_out', context.groups, context.epsilon), 'conv_act');
  x = conv(graph, x, 'conv_out');
  const channels = graph.shapeOf('conv_out.weight')[0]!;
  graph.output('out_sample', x, graph.precision, ['batch', channels, 'height', 'width']);
  return graph.finish('unet2DCondition');
}

function addResidual(graph: GraphBuilder, x: Value, name: string): Value {
  // Dimensions of its own: a name shared with the sample's would say that they are equal, which a lone zero is not.
  const shape = ['batch', 'channels', 'height', 'width'].map((dim) => `${name}.${dim}`);
  return graph.node('Add', [x, graph.input(name, graph.precision, shape)], { name });
}
