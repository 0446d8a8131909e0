import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { examine } from '../../runtime/index.ts';
import { testsWebGpu, whenSkipped } from '../helpers/webgpu.ts';

/**
 * Operators on whole numbers: lengths and shapes, from which sizes are computed before a kernel is started, and indices of
 * tokens. onnxruntime keeps them on the CPU on purpose, because their results are needed there.
 */
const onWholeNumbers = /^(Shape|Gather|Concat|Slice|Squeeze|Unsqueeze|Max|Sub|Less|Equal|Cast) \(/;

describe.runIf(testsWebGpu)(`the nodes of a model on WebGPU${whenSkipped}`, { timeout: 300_000 }, () => {
  test('run there, but for those on whole numbers', async () => {
    const model = path.join(import.meta.dirname, '..', '..', 'models', 'pocket');
    const { provider, graphs } = await examine({ device: 'webgpu', precision: 'float32', model });
    expect(provider).toMatchObject({ name: 'webgpu', precision: 'float32' });
    expect(graphs.map(({ name }) => name)).toEqual(['text_encoder', 'unet', 'vae_encoder', 'vae_decoder']);
    for (const { name, placements } of graphs) {
      const nodes = (place: string) => placements.find(({ provider }) => provider === place);
      expect(nodes('WebGpu')?.nodes, name).toBeGreaterThan(100);
      expect(
        (nodes('Cpu')?.names ?? []).filter((node) => !onWholeNumbers.test(node)),
        name,
      ).toEqual([]);
      expect(nodes('Cpu')?.nodes ?? 0, name).toBeLessThan(20);
    }
  });
});
