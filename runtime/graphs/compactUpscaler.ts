import type { StoredTensors } from '../files/safetensors.ts';
import { GraphBuilder, type GraphForm, type Written } from './builder.ts';
import { conv } from './layers.ts';
import { leaveColours, readSizes, type UpscalerSizes } from './upscaler.ts';

/** Of published networks: 16 or 32 layers of 64 channels, at most four times the size. */
const most = { layers: 128, width: 512, scale: 8 };

/** The sizes of a network; `layers` counts convolutions. @throws {GraphError} where a tensor does not fit */
export function compactSizes(tensors: StoredTensors): UpscalerSizes & { layers: number } {
  const sizes = readSizes(tensors);
  const layers = sizes.count((index) => `body.${2 * index}`, most.layers);
  sizes.expect(layers > 1, 'it has only one layer.');
  const [width] = sizes.of('body.0');
  const [given] = sizes.of(`body.${2 * (layers - 1)}`);
  const scale = Math.sqrt(given / 3);
  sizes.expect(
    Number.isInteger(scale) && scale <= most.scale && width <= most.width,
    `its last layer gives ${given} channels, and its others ${width}.`,
  );
  for (let layer = 0; layer < layers; layer++) {
    const isLast = layer === layers - 1;
    sizes.layer(`body.${2 * layer}`, isLast ? given : width, layer === 0 ? 3 : width);
    if (!isLast) sizes.tensor(`body.${2 * layer + 1}.weight`, [width]);
  }
  return {
    ...{ scale, unshuffle: 1, layers, reach: layers },
    macsPerPixel: sizes.finish(),
    // From the process's memory with 512×512 pixels and 64 channels: 650 MB, mostly what convolutions compute in.
    floatsPerPixel: 8 * width + 2 * given,
  };
}

/**
 * Real-ESRGAN's compact network (SRVGGNetCompact): convolutions at the size of the picture, whose last channels become pixels,
 * which are added to the enlarged picture.
 *
 * `sample` [batch, 3, height, width], RGB in [0, 1] → `enlarged` [batch, 3, s · height, s · width].
 */
export function writeCompactUpscaler(tensors: StoredTensors, form?: GraphForm): Written {
  const { layers, scale } = compactSizes(tensors);
  const graph = new GraphBuilder(tensors, { ...form, weights: 'float16' });
  const sample = graph.enter('sample', ['batch', 3, 'height', 'width']);
  let x = conv(graph, sample, 'body.0');
  for (let layer = 1; layer < layers; layer++) {
    const path = `body.${2 * layer - 1}`;
    const slope = graph.weight(`${path}.weight`, { shape: [...graph.shapeOf(`${path}.weight`), 1, 1] });
    x = conv(graph, graph.node('PRelu', [x, slope], { name: path }), `body.${2 * layer}`);
  }
  // PyTorch's order: the pixels of a colour are neighbouring channels.
  x = graph.node('DepthToSpace', [x], { name: 'pixels', attributes: { blocksize: scale, mode: 'CRD' } });
  const attributes = { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' };
  const enlarged = graph.node('Resize', [sample, '', graph.floats([1, 1, scale, scale])], { name: 'base', attributes });
  leaveColours(graph, graph.node('Add', [x, enlarged], { name: 'base' }));
  return graph.finish('compactUpscaler');
}
