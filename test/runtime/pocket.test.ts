import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Runtime, startRuntime } from '../../runtime/index.ts';
import { writeOnnxFolder } from '../helpers/onnxFolder.ts';
import { draw } from './runtimeSuite.ts';

const pocket = fileURLToPath(new URL('../../models/pocket', import.meta.url));

let runtime: Runtime;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pocket-'));
  runtime = startRuntime({ provider: 'cpu', log: () => {}, maxModels: 2 });
});
afterAll(async () => {
  await runtime.close();
  await rm(folder, { recursive: true });
});

test('the embedded model draws the same from its safetensors and from its ONNX export', async () => {
  await writeOnnxFolder(pocket, folder);
  const request = {
    prompt: 'a red potion on a blue table',
    negativePrompt: '',
    width: 192,
    height: 128,
    steps: 6,
    guidanceScale: 4,
    seed: 5n,
  };
  const own = await draw(runtime, { ...request, model: pocket });
  const exported = await draw(runtime, { ...request, model: folder });
  const largest = own.data.reduce((most, value, at) => Math.max(most, Math.abs(value - exported.data[at]!)), 0);
  // The export computes the same in another order of sums, from the same half-precision weights.
  expect(largest).toBeLessThanOrEqual(2);
  expect(new Set(own.data).size).toBeGreaterThan(100);
});
