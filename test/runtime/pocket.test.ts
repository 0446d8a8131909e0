import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { describeModel, type Pixels, type Runtime, startRuntime } from '../../runtime/index.ts';
import { writeOnnxFolder } from '../helpers/onnxFolder.ts';
import { collect, draw, never } from './runtimeSuite.ts';

const pocket = fileURLToPath(new URL('../../models/pocket', import.meta.url));

let runtime: Runtime;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pocket-'));
  runtime = startRuntime({ provider: 'cpu', threads: 1, log: () => {}, maxModels: 2 });
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

test('the embedded model is shown by its own tiny decoder, closer to the picture than by the linear map', async () => {
  const { ownTinyDecoder } = await describeModel(pocket);
  const request = { model: pocket, prompt: 'a blue shield on a green background', negativePrompt: '', seed: 3n };
  const errors: number[] = [];
  for (const previews of [
    { every: 8, decoder: 'linear' },
    { every: 8, decoder: 'tiny', tinyDecoder: ownTinyDecoder! },
  ]) {
    const size = { width: 256, height: 192, steps: 8, guidanceScale: 4 };
    const events = await collect(runtime, { ...request, ...size, previews }, never());
    const [last, end] = [events.findLast(({ type }) => type === 'previewed'), events.at(-1)];
    if (last?.type !== 'previewed' || end?.type !== 'finished') throw new Error('there is no preview');
    expect(last.pixels.width).toBe(previews.decoder === 'tiny' ? 128 : 32);
    errors.push(difference(last.pixels, end.pixels));
  }
  expect(errors[1]).toBeLessThan(0.85 * errors[0]!);
});

test.each([
  'DPMSolverMultistep',
  'EulerDiscrete',
  'EulerAncestralDiscrete',
  'UniPCMultistep',
  'FlowMatchEuler',
  'EDMEuler',
  'IPNDM',
])('the embedded model draws with %s, as other tools call it', async (scheduler) => {
  const request = { model: pocket, prompt: 'a red potion', negativePrompt: '', width: 192, height: 128, seed: 5n };
  const { data } = await draw(runtime, { ...request, steps: 8, guidanceScale: 4, scheduler });
  let sum = 0;
  for (let at = 3; at < data.length; at++) sum += Math.abs(data[at]! - data[at - 3]!);
  // Between neighbours noise differs by 85 in the mean, these pictures by less than 10; and a grey area by nothing.
  expect(sum / data.length).toBeGreaterThan(1);
  expect(sum / data.length).toBeLessThan(20);
});

/** Mean difference of each pixel of a picture from the one of a smaller picture that lies over it. */
function difference(small: Pixels, large: Pixels): number {
  const scale = large.width / small.width;
  let sum = 0;
  for (let at = 0; at < large.data.length; at++) {
    const [x, y] = [Math.floor(at / 3) % large.width, Math.floor(at / 3 / large.width)];
    const over = 3 * (Math.floor(y / scale) * small.width + Math.floor(x / scale)) + (at % 3);
    sum += Math.abs(large.data[at]! - small.data[over]!);
  }
  return sum / large.data.length;
}
