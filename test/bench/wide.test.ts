import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { measureRepacking, placePacked } from '../../bench/gpu/packed.ts';
import { tinyTransformers } from '../../bench/gpu/tinyTransformers.ts';
import { randomTensors } from '../../bench/wideModels.ts';
import { wideNetwork } from '../../bench/wideNetworks.ts';
import {
  countAll,
  fluxShapes,
  fullSizes,
  kleinShapes,
  qwen3Shapes,
  type Shapes,
  sd3Shapes,
  tinySizes,
  zImageShapes,
} from '../../bench/wideShapes.ts';
import { packedFile } from '../../runtime/files/packedFile.ts';
import { formOn, openWritten } from '../../runtime/onnx/openWritten.ts';
import { modelsFolder } from '../helpers/goldens.ts';
import { cpu, readPart } from '../helpers/graphs.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latentwire-wide-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('weights are called and shaped as those of the reference models', async () => {
  const expectSame = async (model: string, component: string, shapes: Shapes, file?: string) => {
    const { tensors } = await readPart(join(modelsFolder, model, component), file);
    const found = Object.fromEntries([...tensors].map(([name, { shape }]) => [name, [...shape]]));
    expect(Object.fromEntries(shapes.map(([name, ...shape]) => [name, shape])), model).toEqual(found);
  };
  const [flux, sd3] = [fluxShapes, sd3Shapes];
  const heads = { head: 16, heads: 2 };
  await expectSame('tiny-flux-dev', 'transformer', flux({ ...heads, double: 2, single: 3, text: 32, pooled: 32 }));
  const dual = { layers: 3, dual: 2, text: 64, pooled: 56, side: 24 };
  await expectSame('tiny-sd3', 'transformer', sd3({ ...heads, ...dual }));
  const klein = { head: 16, heads: 3, double: 1, single: 2, text: 72 };
  await expectSame('tiny-flux2-klein', 'transformer', kleinShapes(klein));
  const zImage = { head: 16, heads: 3, layers: 2, refiners: 1, text: 32 };
  await expectSame('tiny-z-image', 'transformer', zImageShapes(zImage));
  const qwen3 = { head: 8, heads: 4, keyHeads: 2, inner: 24, forward: 32, layers: 29, words: 448 };
  await expectSame('tiny-flux2-klein', 'text_encoder', qwen3Shapes(qwen3), 'model');
});

test('full sizes have the weights that their names say, in thousands of millions', () => {
  expect(countAll(kleinShapes(fullSizes.klein)) / 1e9).toBeCloseTo(3.88, 2);
  expect(countAll(zImageShapes(fullSizes.zImage)) / 1e9).toBeCloseTo(6.15, 2);
  expect(countAll(qwen3Shapes(fullSizes.qwen3)) / 1e9).toBeCloseTo(4.02, 2);
});

test('multiplications are those of each token by each weight, and of tokens with each other', () => {
  const { head, heads, keyHeads, inner, forward, layers } = tinySizes.qwen3;
  const ofLayer = inner * head * (2 * heads + 2 * keyHeads) + 3 * inner * forward;
  // Z-Image reads what the last but one layer left.
  expect(wideNetwork('z-image text', tinySizes).multiplications(0)).toEqual({
    matrices: 30 * (layers - 1) * ofLayer,
    attention: (layers - 1) * 2 * 30 ** 2 * heads * head,
  });
  // A picture of 64×64 pixels has 16 tokens beside the 512 of the text.
  const klein = wideNetwork('klein', tinySizes).multiplications(64);
  expect(klein.attention).toBe(3 * 2 * 528 ** 2 * 256);
});

test('a packed file of random codes is taken for a repacked one, and its values have the same spread', async () => {
  const { shapes, write, feeds } = wideNetwork('z-image', tinySizes);
  const tensors = await randomTensors(folder, shapes, 'Q4_0');
  const spreads: number[] = [];
  for (const isPlaced of [true, false]) {
    const provider = { ...cpu, weights: 'stored', packedFolder: join(folder, String(isPlaced)) } as const;
    const written = write(tensors, formOn(provider));
    const packing = written.packing!;
    if (isPlaced) {
      const file = await packedFile({ ...packing, pieces: [], bytes: 0 }, provider.packedFolder, 'empty');
      expect((await stat(file)).size).toBe(0);
      await placePacked(packing, provider.packedFolder);
      expect((await stat(file)).size).toBe(packing.bytes);
    }
    let repacked = 0;
    const graph = await openWritten(written, 'z-image', provider, (share) => {
      repacked = share;
    });
    expect(repacked).toBe(isPlaced ? 0 : 1);
    const values = (await graph.run(feeds(64, 1))).out_sample!.data as Float32Array;
    spreads.push(Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0) / values.length));
    await graph.close();
  }
  expect(spreads[0]! / spreads[1]!).toBeGreaterThan(0.5);
  expect(spreads[0]! / spreads[1]!).toBeLessThan(2);
  const { packing } = write(tensors, formOn({ ...cpu, weights: 'stored' }));
  // The largest matrix is one of the feed-forward part.
  expect((await measureRepacking(packing!, folder)).weights).toBe(1024 * 384);
});

test('tiny transformers of every family give numbers that depend on their weights', async () => {
  for (const { name, dtype, shapes, write, feeds } of tinyTransformers()) {
    const tensors = await randomTensors(folder, shapes, dtype);
    const graph = await openWritten(write(tensors, formOn({ ...cpu, weights: 'float16' })), name, {
      ...cpu,
      packedFolder: folder,
    });
    const [output] = Object.values(await graph.run(feeds));
    const values = output!.data as Float32Array;
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const spread = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
    // Constants would agree on any device.
    expect(spread, name).toBeGreaterThan(0.05);
    expect(spread, name).toBeLessThan(20);
    await graph.close();
  }
});
