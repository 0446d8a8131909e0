import type { StoredTensors } from '../files/safetensors.ts';
import { GraphBuilder, type GraphForm, type Value, type Written } from './builder.ts';
import { conv, upsample } from './layers.ts';
import { leaveColours, readSizes, type UpscalerSizes } from './upscaler.ts';

/** Of published networks: 23 or 6 blocks, 64 channels, growth 32, two enlargements. */
const most = { blocks: 64, width: 512, growth: 256, ups: 3 };

/** Convolutions of one block that a pixel passes: three dense blocks of five. */
const DENSE = 3;
const LAYERS = 5;

/** Slope of the activations below 0, and the share of a dense block in its sum. */
const SLOPE = 0.2;
const SHARE = 0.2;

/** The sizes of a network with the names of Real-ESRGAN. @throws {GraphError} where a tensor does not fit */
export function rrdbSizes(tensors: StoredTensors): UpscalerSizes & { blocks: number; ups: number } {
  const sizes = readSizes(tensors);
  const [width, taken] = sizes.of('conv_first');
  const unshuffle = Math.sqrt(taken / 3);
  sizes.expect([1, 2, 4].includes(unshuffle), `its first layer takes ${taken} channels; supported are 3, 12 and 48.`);
  const blocks = sizes.count((index) => `body.${index}.rdb1.conv1`, most.blocks);
  const ups = sizes.count((index) => `conv_up${index + 1}`, most.ups);
  sizes.expect(blocks > 0 && ups > 0, 'it has no blocks, or no layer that enlarges.');
  const [growth] = sizes.of('body.0.rdb1.conv1');
  sizes.expect(width <= most.width && growth <= most.growth, `it has ${width} channels and a growth of ${growth}.`);
  sizes.layer('conv_first', width, taken);
  for (const path of densePaths(blocks)) {
    for (let layer = 1; layer <= LAYERS; layer++) {
      sizes.layer(`${path}.conv${layer}`, layer < LAYERS ? growth : width, width + (layer - 1) * growth);
    }
  }
  sizes.layer('conv_body', width, width);
  for (let up = 1; up <= ups; up++) sizes.layer(`conv_up${up}`, width, width, 4 ** up);
  sizes.layer('conv_hr', width, width, 4 ** ups);
  sizes.layer('conv_last', 3, width, 4 ** ups);
  const scale = 2 ** ups / unshuffle;
  sizes.expect(Number.isInteger(scale), `it makes pictures smaller.`);
  // One pixel for each 3×3 convolution, as large as its resolution has them.
  let reach = unshuffle * (2 + blocks * DENSE * LAYERS);
  for (let up = 1; up <= ups; up++) reach += unshuffle / 2 ** up;
  reach += (2 * unshuffle) / 2 ** ups;
  return {
    ...{ scale, unshuffle, blocks, ups, reach: Math.ceil(reach) },
    macsPerPixel: sizes.finish() / unshuffle ** 2,
    // The layers at full size hold most: measured were 730 MB with 226×226 pixels and 64 channels.
    floatsPerPixel: 3.5 * width * scale ** 2,
  };
}

function densePaths(blocks: number): string[] {
  return Array.from({ length: blocks * DENSE }, (_, at) => `body.${Math.floor(at / DENSE)}.rdb${(at % DENSE) + 1}`);
}

/**
 * ESRGAN's network (Wang et al. 2018, arXiv 1809.00219), also Real-ESRGAN's: residual blocks of dense blocks, then
 * enlargement by repeated pixels with a convolution after each.
 *
 * `sample` [batch, 3 · u², height / u, width / u], RGB in [0, 1], u × u pixels as channels → `enlarged` [batch, 3,
 * s · height, s · width].
 */
export function writeRrdbNet(tensors: StoredTensors, form?: GraphForm): Written {
  const { blocks, ups } = rrdbSizes(tensors);
  const graph = new GraphBuilder(tensors, { ...form, weights: 'float16' });
  const sample = graph.enter('sample', ['batch', graph.shapeOf('conv_first.weight')[1]!, 'height', 'width']);
  const first = conv(graph, sample, 'conv_first');
  let x = first;
  for (let block = 0; block < blocks; block++) {
    const before = x;
    for (let dense = 1; dense <= DENSE; dense++) x = denseBlock(graph, x, `body.${block}.rdb${dense}`);
    x = addShare(graph, before, x, `body.${block}`);
  }
  x = graph.node('Add', [first, conv(graph, x, 'conv_body')], { name: 'conv_body' });
  for (let up = 1; up <= ups; up++) {
    const path = `conv_up${up}`;
    x = leaky(graph, conv(graph, upsample(graph, x, path), path), path);
  }
  x = leaky(graph, conv(graph, x, 'conv_hr'), 'conv_hr');
  leaveColours(graph, conv(graph, x, 'conv_last'));
  return graph.finish('rrdbNet');
}

/** Each layer reads all before it. */
function denseBlock(graph: GraphBuilder, x: Value, path: string): Value {
  const states = [x];
  for (let layer = 1; layer <= LAYERS; layer++) {
    const name = `${path}.conv${layer}`;
    const read = layer === 1 ? x : graph.node('Concat', [...states], { name, attributes: { axis: 1 } });
    const y = conv(graph, read, name);
    if (layer === LAYERS) return addShare(graph, x, y, path);
    states.push(leaky(graph, y, name));
  }
  return x;
}

function addShare(graph: GraphBuilder, x: Value, y: Value, name: string): Value {
  return graph.node('Add', [x, graph.node('Mul', [y, graph.scalar(SHARE)], { name })], { name });
}

function leaky(graph: GraphBuilder, x: Value, name: string): Value {
  return graph.node('LeakyRelu', [x], { name, attributes: { alpha: { float: SLOPE } } });
}
