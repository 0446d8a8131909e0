import { cp, mkdtemp, rename, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GenerateRequest, type RuntimeOptions, startRuntime } from '../../runtime/index.ts';
import { modelFolder, modelsFolder } from '../helpers/goldens.ts';
import { writeOnnxFolder } from '../helpers/onnxFolder.ts';
import { draw } from './runtimeSuite.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latentwire-forms-'));
});
afterAll(() => rm(folder, { recursive: true }));

const request = (model: string, changes: Partial<GenerateRequest> = {}): GenerateRequest => ({
  model,
  prompt: 'a red potion',
  width: 64,
  height: 64,
  steps: 3,
  guidanceScale: 1,
  seed: 9n,
  ...changes,
});

const controlNets: GenerateRequest['controlNets'] = [
  {
    model: join(modelsFolder, 'tiny-sd15-controlnet'),
    pixels: { width: 64, height: 64, data: Uint8Array.from({ length: 64 * 64 * 3 }, (_, at) => at % 256) },
    weight: 1,
    startStep: 0,
    endStep: 3,
    mode: 'balanced',
  },
];
const deepCache = { interval: 3, startStep: 0, endStep: 3 };

/** How often a UNet was loaded. */
function counter() {
  const components: unknown[] = [];
  const log: RuntimeOptions['log'] = (_level, message, fields) => {
    if (message === 'A component was loaded.') components.push((fields as { component: string }).component);
  };
  return { log, count: () => components.filter((component) => component === 'unet').length };
}

describe('a UNet that is loaded anew for what a run adds', { timeout: 300_000 }, () => {
  test('and cannot be, fails that run with the reason, and those beside it and after it go on', async () => {
    const model = join(folder, 'model');
    await cp(modelFolder('tiny-sd15'), model, { recursive: true });
    const unet = join(model, 'unet');
    const weights = join(unet, 'diffusion_pytorch_model.safetensors');
    // Another file, which only the system can tell from the first: the model is not opened anew, but its weights may
    // lie elsewhere.
    const replaceWeights = async () => {
      await cp(weights, join(folder, 'weights'));
      await rename(join(folder, 'weights'), weights);
      for (const path of [weights, unet]) await utimes(path, 1_700_000_000, 1_700_000_000);
    };
    await replaceWeights();
    await using runtime = startRuntime({ provider: 'cpu', threads: 1, log: () => {} });
    const controlled = await draw(runtime, request(model, { controlNets }));
    await replaceWeights();
    const [deep, beside] = await Promise.allSettled([
      draw(runtime, request(model, { deepCache })),
      draw(runtime, request(model, { controlNets })),
    ]);
    expect(deep).toMatchObject({
      status: 'rejected',
      reason: {
        code: 'modelUnavailable',
        message: expect.stringContaining('has changed since the server first read it'),
      },
    });
    expect(beside).toEqual({ status: 'fulfilled', value: controlled });
    expect(await draw(runtime, request(model, { controlNets }))).toEqual(controlled);
    await draw(runtime, request(model, { deepCache }));
    expect(await draw(runtime, request(model, { controlNets }))).toEqual(controlled);
    expect(runtime.status().restarts).toBe(0);
  });

  test('but was exported without it, stays as it is loaded', async () => {
    const model = join(folder, 'exported');
    await writeOnnxFolder(modelFolder('tiny-sd15'), model);
    const { log, count } = counter();
    await using runtime = startRuntime({ provider: 'cpu', threads: 1, log });
    const plain = await draw(runtime, request(model));
    for (const [parameter, addition] of Object.entries({ controlNets, deepCache })) {
      await expect(draw(runtime, request(model, { [parameter]: addition }))).rejects.toMatchObject({
        code: 'unsupportedParameter',
        parameter,
      });
    }
    expect(await draw(runtime, request(model))).toEqual(plain);
    expect(count()).toBe(1);
  });
});
