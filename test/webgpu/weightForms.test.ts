import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readGgufHeader } from '../../runtime/files/gguf.ts';
import { GraphBuilder } from '../../runtime/graphs/builder.ts';
import { linear } from '../../runtime/graphs/layers.ts';
import { openWritten } from '../../runtime/onnx/openWritten.ts';
import { createNoise } from '../../runtime/tensors/noise.ts';
import { floats } from '../../runtime/tensors/tensor.ts';
import { modelsFolder, relativeError } from '../helpers/goldens.ts';
import { testsWebGpu, whenSkipped } from '../helpers/webgpu.ts';

describe.runIf(testsWebGpu)(`weights in few bits on WebGPU${whenSkipped}`, { timeout: 300_000 }, () => {
  let packedFolder: string;
  beforeAll(async () => {
    packedFolder = await mkdtemp(join(tmpdir(), 'latentwire-webgpu-weights-'));
  });
  afterAll(() => rm(packedFolder, { recursive: true }));

  test.each([
    ['Q4_0', 'double_blocks.0.img_mlp.0'],
    ['Q4_1', 'single_blocks.0.linear1'],
    ['Q4_K', 'double_blocks.0.img_mlp.2'],
    ['Q8_0', 'double_blocks.0.txt_mlp.0'],
    ['Q6_K', 'time_in.in_layer'],
  ])('multiply as floats do: %s', async (dtype, path) => {
    const { tensors } = await readGgufHeader(join(modelsFolder, 'tiny-flux-wide-mixed.gguf'));
    const [out, inner] = tensors.get(`${path}.weight`)!.shape as [number, number];
    expect(tensors.get(`${path}.weight`)!.dtype).toBe(dtype);
    const x = floats(createNoise(2n).normal(40 * inner), [1, 40, inner]);
    const answer = async (name: 'cpu' | 'webgpu', weights: 'stored' | 'float16') => {
      const graph = new GraphBuilder(tensors, { weights, attention: 'plain' });
      graph.leave('y', linear(graph, graph.enter('x', ['batch', 'rows', inner]), path), ['batch', 'rows', out]);
      const opened = await openWritten(graph.finish('layer'), path, { name, packedFolder });
      const { y } = await opened.run({ x });
      return y!.data as Float32Array;
    };
    // Rounding inputs to 8 bits changes a product by up to 1.5e-2 of its largest value; WebGPU may do so or not.
    expect(relativeError(await answer('webgpu', 'stored'), await answer('cpu', 'float16'))).toBeLessThan(1.5e-2);
  });
});
