import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openComponent } from '../../runtime/checkpoints/folder.ts';
import { type ClipTextConfig, writeClipText } from '../../runtime/graphs/clipText.ts';
import { type UNet2DConditionConfig, writeUNet2DCondition } from '../../runtime/graphs/unet2DCondition.ts';
import { floats, type Graph, int64s, type Tensor } from '../../runtime/onnx/graph.ts';
import { modelFolder, readGoldens, tinyModels } from '../helpers/goldens.ts';
import { openWritten, readPart, unetFeeds } from '../helpers/graphs.ts';

/** Zeros of rank 1 for every adapter input. */
function noAdapters(graph: Graph): Record<string, Tensor> {
  const zeros: Record<string, Tensor> = {};
  for (const { name, shape } of graph.inputs) {
    if (!/\.lora_(down|up)$/.test(name)) continue;
    const dims = shape.map((dim) => (typeof dim === 'number' ? dim : 1));
    zeros[name] = floats(new Float32Array(dims.reduce((a, b) => a * b, 1)), dims);
  }
  return zeros;
}

describe.each(
  tinyModels.flatMap((model) => [
    { model, adapters: 'linear' as const },
    { model, adapters: 'all' as const },
  ]),
)('$model with adapters: $adapters', ({ model, adapters }) => {
  test('is the plain UNet, bit for bit, while zeros of rank 1 are fed', async () => {
    const goldens = readGoldens(model);
    const textEncoder = await openComponent(modelFolder(model), 'text_encoder', { name: 'cpu' });
    const second = goldens.textEncoder2 && (await openComponent(modelFolder(model), 'text_encoder_2', { name: 'cpu' }));
    const feeds = await unetFeeds(goldens, textEncoder, second);
    const plain = await openComponent(modelFolder(model), 'unet', { name: 'cpu' });
    const { config, tensors } = await readPart<UNet2DConditionConfig>(join(modelFolder(model), 'unet'));
    const adapted = await openWritten(writeUNet2DCondition(config, tensors, { adapters }));
    const zeros = noAdapters(adapted);
    expect(await adapted.run({ ...feeds, ...zeros })).toEqual(await plain.run(feeds));
  });
});
