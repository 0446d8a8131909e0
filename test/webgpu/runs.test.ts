import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GenerateRequest, type RunEvent, type Runtime, startRuntime } from '../../runtime/index.ts';
import { modelFolder, modelsFolder } from '../helpers/goldens.ts';
import { testsWebGpu, whenSkipped } from '../helpers/webgpu.ts';
import { collect, draw } from '../runtime/runtimeSuite.ts';

const model = modelFolder('tiny-sd15');

/** The smallest picture there is, because a program that imitates a GPU takes a second for a step of it. */
const request = (changes: Partial<GenerateRequest> = {}): GenerateRequest => ({
  model,
  prompt: 'a red potion',
  width: 64,
  height: 64,
  steps: 2,
  guidanceScale: 1,
  seed: 3n,
  ...changes,
});

describe.runIf(testsWebGpu)(`runs on WebGPU${whenSkipped}`, { timeout: 300_000 }, () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = startRuntime({ provider: 'webgpu', precision: 'float32', log: () => {} });
    await runtime.ready();
  });
  afterAll(() => runtime.close());

  test('draw the picture that the CPU draws, with a preview of each step', async () => {
    await using onCpu = startRuntime({ provider: 'cpu', threads: 1, log: () => {} });
    const expected = await draw(onCpu, request());
    const events = await collect(runtime, request({ previews: { every: 1 } }));
    expect(runtime.status()).toMatchObject({ provider: 'webgpu', precision: 'float32' });
    const previews = events.filter(({ type }) => type === 'previewed');
    expect(previews).toMatchObject([
      { step: 0, steps: 2, pixels: { width: 8, height: 8 } },
      { step: 1, steps: 2 },
    ]);
    const finished = events.at(-1) as Extract<RunEvent, { type: 'finished' }>;
    expect(finished.type).toBe('finished');
    const furthest = finished.pixels.data.reduce(
      (most, value, at) => Math.max(most, Math.abs(value - expected.data[at]!)),
      0,
    );
    expect(furthest).toBeLessThanOrEqual(2);
  });

  test('see a picture through an IP-Adapter as on the CPU', async () => {
    await using onCpu = startRuntime({ provider: 'cpu', threads: 1, log: () => {} });
    const pixels = { width: 48, height: 40, data: Uint8Array.from({ length: 48 * 40 * 3 }, (_, at) => (at * 5) % 256) };
    const adapter = join(modelsFolder, 'tiny-ip-adapter/models/ip-adapter_sd15.safetensors');
    const seen = request({ guidanceScale: 3, imagePrompts: [{ model: adapter, pictures: [pixels], weight: 0.8 }] });
    const [expected, plain] = [await draw(onCpu, seen), await draw(onCpu, request({ guidanceScale: 3 }))];
    const drawn = await draw(runtime, seen);
    const furthest = (other: typeof drawn) =>
      drawn.data.reduce((most, value, at) => Math.max(most, Math.abs(value - other.data[at]!)), 0);
    expect(furthest(expected)).toBeLessThanOrEqual(2);
    expect(furthest(plain)).toBeGreaterThan(10);
  });

  test('stop before the next step when they are cancelled', async () => {
    const controller = new AbortController();
    const steps: number[] = [];
    const watch = async () => {
      for await (const event of runtime.generate(request({ steps: 50 }), controller.signal)) {
        if (event.type !== 'stepped') continue;
        steps.push(event.step);
        controller.abort(new Error('enough'));
      }
    };
    await expect(watch()).rejects.toThrow('enough');
    expect(steps).toEqual([0]);
    // The process is free for the next run, not busy with the other 49 steps.
    expect(await draw(runtime, request({ steps: 1 }))).toMatchObject({ width: 64, height: 64 });
    expect(runtime.status().restarts).toBe(0);
  });
});
