import { GraphBuilder, GraphError } from './builder.js';
import { conv, silu } from './layers.js';
import { checkUNet, downBlocks, middle, startUNet } from './unetBlocks.js';
/**
 * A ControlNet for Stable Diffusion 1.x, 2.x or XL: the way down of a UNet, which also looks at a guide image.
 *
 * Inputs: those of the UNet, `controlnet_cond` [batch, 3, 8 · height, 8 · width], RGB in [0, 1], and
 * `conditioning_scale` [batch, count], one factor for each residual, that of the middle last. Outputs, scaled:
 * `down_block_res_samples.<i>` and `mid_block_res_sample`, in the shapes of the UNet's own states.
 */
export function writeControlNet(config, tensors, form = {}) {
  // Small ones for XL have no attention; the weights tell.
  const { mid_block_type: middleType, ...rest } = config;
  checkUNet(middleType === 'UNetMidBlock2D' ? rest : config, 'ControlNet');
  const graph = new GraphBuilder(tensors, form);
  const { context, sample, heads } = startUNet(graph, config, tensors, form);
  const first = conv(graph, sample, 'conv_in');
  const guided = graph.node('Add', [first, guide(graph, config)], { name: 'controlnet_cond_embedding' });
  const { last, skips } = downBlocks(context, guided, heads);
  const end = middle(context, last, heads.at(-1));
  const count = skips.length + 1;
  const scale = graph.enter('conditioning_scale', ['batch', count]);
  // [batch, count] → [batch, count, 1, 1, 1], of which each residual takes one [batch, 1, 1, 1].
  const factors = graph.node('Unsqueeze', [scale, graph.ints([2, 3, 4])], { name: 'conditioning_scale' });
  const finish = (x, path, index, output) => {
    let y = conv(graph, x, path);
    if (config.global_pool_conditions) {
      y = graph.node('ReduceMean', [y, graph.ints([2, 3])], { name: path, attributes: { keepdims: 1 } });
    }
    const factor = graph.node('Gather', [factors, graph.ints(index)], { name: path, attributes: { axis: 1 } });
    const scaled = graph.node('Mul', [y, factor], { name: path });
    const channels = graph.shapeOf(`${path}.weight`)[0];
    graph.leave(output, scaled, ['batch', channels, `${output}.height`, `${output}.width`]);
  };
  for (const [i, skip] of skips.entries()) {
    finish(skip, `controlnet_down_blocks.${i}`, i, `down_block_res_samples.${i}`);
  }
  finish(end, 'controlnet_mid_block', count - 1, 'mid_block_res_sample');
  return graph.finish('controlNet');
}
/** The guide image at the size of the latents: [batch, 3, 8 · height, 8 · width] → [batch, first channels, height, width]. */
function guide(graph, config) {
  const path = 'controlnet_cond_embedding';
  const channels = graph.shapeOf(`${path}.conv_in.weight`)[1];
  let x = graph.enter('controlnet_cond', ['batch', channels, 'image_height', 'image_width']);
  const order = config.controlnet_conditioning_channel_order ?? 'rgb';
  if (order === 'bgr') {
    x = graph.node('Gather', [x, graph.ints([2, 1, 0])], { name: path, attributes: { axis: 1 } });
  } else if (order !== 'rgb') {
    throw new GraphError(`The ControlNet's config says channels in the order "${order}"; supported are rgb and bgr.`);
  }
  x = silu(graph, conv(graph, x, `${path}.conv_in`), path);
  for (let i = 0; graph.has(`${path}.blocks.${i}.weight`); i++) {
    // In turn one that keeps the size and one that halves it and has more channels.
    x = silu(graph, conv(graph, x, `${path}.blocks.${i}`, { stride: (i % 2) + 1 }), path);
  }
  return conv(graph, x, `${path}.conv_out`);
}
//# sourceMappingURL=controlNet.js.map
