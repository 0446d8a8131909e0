import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RuntimeOptions } from '../../runtime/index.ts';
import { modelFolder } from '../helpers/goldens.ts';
import { scripted, startScripted, writeZeros } from '../helpers/scriptedRuntime.ts';
import { draw } from './runtimeSuite.ts';

let folder: string;
/** Files that weigh 10 MB each, as they are stored. */
let [one, two, three]: [string, string, string] = ['', '', ''];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latentwire-device-memory-'));
  [one, two, three] = ['one', 'two', 'three'].map((name) => join(folder, `${name}.safetensors`)) as [
    string,
    string,
    string,
  ];
  // Twice that where they are widened to float32.
  for (const file of [one, two, three]) await writeZeros(file, { weight: ['F16', 5_000_000] });
});
afterAll(() => rm(folder, { recursive: true }));

/** The real supervisor over a process that says it computes on CUDA. */
function startOnDevice(options: Partial<RuntimeOptions>) {
  const logs: { level: string; message: string; fields: Record<string, unknown> }[] = [];
  const log: RuntimeOptions['log'] = (level, message, fields) => logs.push({ level, message, fields: { ...fields } });
  const runtime = startScripted({ provider: 'cuda', maxModels: 10, log, ...options });
  const replaced = () => logs.filter(({ message }) => message.includes('is replaced'));
  return { runtime, logs, replaced, [Symbol.asyncDispose]: () => runtime.close() };
}

describe('a limit of the device memory', () => {
  test('below what a model weighs refuses it before anything is loaded', async () => {
    await using device = startOnDevice({ deviceMemoryLimitBytes: 9e6 });
    await expect(draw(device.runtime, scripted(one))).rejects.toMatchObject({
      code: 'modelUnavailable',
      message: 'This model needs about 11 MB of device memory, but the device memory limit is 9 MB.',
    });
    const withLora = scripted(one, [], { loras: [{ path: two, weight: 1 }] });
    await expect(draw(device.runtime, withLora)).rejects.toThrow(
      /^This model and what the task adds to it need about 21 MB of device memory, /,
    );
    expect(device.runtime.status()).toMatchObject({ models: [], restarts: 0 });
  });

  test('makes other models leave before one that would not fit beside them, and only then', async () => {
    await using device = startOnDevice({ deviceMemoryLimitBytes: 25e6 });
    await draw(device.runtime, scripted(one));
    await draw(device.runtime, scripted(two));
    const { pid, deviceMemory } = device.runtime.status();
    expect(deviceMemory).toMatchObject({ limitBytes: 25e6 });
    expect(deviceMemory!.estimatedBytes).toBeGreaterThanOrEqual(20e6);
    expect(deviceMemory!.estimatedBytes).toBeLessThan(20.1e6);
    expect(device.replaced()).toEqual([]);
    await draw(device.runtime, scripted(three));
    expect(device.replaced().map(({ fields }) => fields)).toMatchObject([{ held: [one, two], needed: [three] }]);
    expect(device.runtime.status().pid).not.toBe(pid);
    expect(device.runtime.status().deviceMemory!.estimatedBytes).toBeLessThan(10.1e6);
    expect(device.runtime.status().restarts).toBe(0);
  });

  test('counts what the largest picture took, which its allocator keeps', async () => {
    const model = modelFolder('tiny-sd15');
    const picture = (side: number) => scripted(model, [], { width: side, height: side });
    await using device = startOnDevice({ deviceMemoryLimitBytes: 300e6 });
    const estimate = () => device.runtime.status().deviceMemory!.estimatedBytes;
    await draw(device.runtime, picture(64));
    const small = estimate();
    await draw(device.runtime, picture(512));
    const large = estimate();
    // 64 times the pixels; the weights are the same.
    expect(large).toBeGreaterThan(small * 4);
    await draw(device.runtime, picture(64));
    expect(estimate()).toBe(large);
    await expect(draw(device.runtime, picture(8192))).rejects.toMatchObject({
      code: 'invalidParameter',
      parameter: 'width',
      message: expect.stringMatching(
        /^For a picture of 8192×8192 pixels this model needs about .+ of device memory, but the /,
      ),
    });

    // A model that fits beside the weights, and not beside the picture too.
    await using tight = startOnDevice({ deviceMemoryLimitBytes: large + 5e6 });
    await draw(tight.runtime, picture(64));
    await draw(tight.runtime, scripted(one));
    expect(tight.replaced()).toEqual([]);
    await draw(tight.runtime, picture(512));
    expect(tight.replaced().map(({ fields }) => fields)).toMatchObject([{ held: [model, one], needed: [model] }]);
    await draw(tight.runtime, picture(512));
    expect(tight.replaced()).toHaveLength(1);
  });

  test('counts weights in the precision that they are computed in', async () => {
    await using device = startOnDevice({ deviceMemoryLimitBytes: 15e6, precision: 'float32' });
    await expect(draw(device.runtime, scripted(one))).rejects.toThrow(
      /^This model needs about 20 MB of device memory, /,
    );
  });

  test('takes the place of the memory limit for models and pictures, and not for the process itself', async () => {
    await using device = startOnDevice({ deviceMemoryLimitBytes: 25e6, memoryLimitBytes: 5e6 });
    await draw(device.runtime, scripted(one, [], { memoryBytes: 4e6 }));
    expect(device.replaced()).toEqual([]);
    await draw(device.runtime, scripted(one, [], { memoryBytes: 6e6 }));
    await draw(device.runtime, scripted(one, [], { memoryBytes: 4e6 }));
    expect(device.replaced().map(({ message }) => message)).toEqual([
      'The runtime process is replaced because it exceeded the memory limit.',
    ]);
  });

  test('has no effect on the CPU, and the log says so', async () => {
    await using device = startOnDevice({ provider: 'cpu', deviceMemoryLimitBytes: 1e6 });
    await draw(device.runtime, scripted(one));
    expect(device.runtime.status().deviceMemory).toBeUndefined();
    expect(device.logs.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual([
      'The device memory limit has no effect on the CPU. The memory limit applies there.',
    ]);
  });

  test('sends what is too large for one device to one that has the memory, and refuses what is too large for all', async () => {
    await using device = startOnDevice({
      ...{ provider: ['cuda', 'cpu'], deviceMemoryLimitBytes: 9e6, memoryLimitBytes: 50e6 },
    });
    await device.runtime.ready();
    await draw(device.runtime, scripted(one, [{ loaded: 1e6 }], { memoryBytes: 1e6 }));
    expect(device.runtime.status().devices!.map(({ models }) => models)).toEqual([[], [one]]);
    await expect(draw(device.runtime, scripted(one, [], { loras: [{ path: two, weight: 1 }] }))).rejects.toMatchObject({
      code: 'modelUnavailable',
    });
  });

  test('holds for each of several devices, and sends a model to the one that has room for it', async () => {
    const large = join(folder, 'large.safetensors');
    await writeZeros(large, { weight: ['F16', 10_000_000] });
    await using device = startOnDevice({ provider: ['cuda:0', 'cuda:1'], deviceMemoryLimitBytes: 25e6 });
    await device.runtime.ready();
    for (const model of [one, large, one, two]) await draw(device.runtime, scripted(model));
    const devices = device.runtime.status().devices!;
    expect(devices.map((each) => each.device)).toEqual(['cuda', 'cuda:1']);
    const sizes = devices.map(({ deviceMemory }) => Math.round(deviceMemory!.estimatedBytes / 1e6));
    expect(sizes).toEqual([20, 20]);
    expect(device.replaced()).toEqual([]);
  });
});
