import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { faultIn } from '../../runtime/faults.ts';
import { startRuntime } from '../../runtime/index.ts';
import { scripted, startScripted, writeZeros } from '../helpers/scriptedRuntime.ts';
import { imageTask, startTestServer } from '../helpers/server.ts';
import { draw } from './runtimeSuite.ts';

// What a lost device and a process without memory really do is in test/webgpu/faults.test.ts and brokenProcess.test.ts.

let folder: string;
let model: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latentwire-faults-'));
  model = join(folder, 'model.safetensors');
  await writeZeros(model, { weight: ['F32', 1_000] });
});
afterAll(() => rm(folder, { recursive: true }));

const lost = { broken: 'Failed to download data from buffer: [Device] is lost', deviceLost: true };
const full = { fail: { code: 'outOfMemory', message: 'There is not enough memory.' } };

describe('a message of onnxruntime', () => {
  // The first of each kind were seen here, with SwiftShader and on the CPU; those of CUDA and DirectML in its issues.
  test.each([
    [
      'deviceLost',
      'map_async_result.status == wgpu::MapAsyncStatus::Success was false. Failed to download data from buffer. wgpu::MapAsyncStatus value: 4, message: [Device] is lost',
    ],
    ['deviceLost', 'vkQueueSubmit failed with VK_ERROR_DEVICE_LOST'],
    ['deviceLost', 'CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; expr=cudaMemcpy(dst_data)'],
    ['deviceLost', 'Exception(1) tid(24e8) 887A0005 The GPU device instance has been suspended.'],
    [
      'outOfMemory',
      'WebGPU validation failed. Buffer size (3600000000) exceeds the max buffer size limit (1073741824).\n - While calling [Device].CreateBuffer([BufferDescriptor]).',
    ],
    [
      'outOfMemory',
      'WebGPU validation failed. [Invalid Buffer (unlabeled)] is invalid due to a previous error.\n - While validating entries[2]',
    ],
    ['outOfMemory', 'Failed to allocate memory for requested buffer of size 939524096'],
    ['outOfMemory', 'CUDA failure 2: out of memory ; GPU=0 ; hostname=x ; expr=cudaStreamCreateWithFlags(&stream)'],
    [
      undefined,
      "Non-zero status code returned while running Reshape node. Name:'/shaped/Reshape' The input tensor cannot be reshaped to the requested shape. Input shape:{1,4,8,8}, requested shape:{1,4,1,1}",
    ],
    [
      undefined,
      'WebGPU validation failed. [Invalid ShaderModule] is invalid.\n - While calling [Device].CreateBindGroup',
    ],
  ])('tells of %s: %s', (fault, message) => {
    expect(faultIn(message)).toBe(fault);
  });
});

describe('a lost device', () => {
  test('has the process replaced, and the run begins again; lost twice, the run fails and says so', async () => {
    await using runtime = startScripted();
    await draw(runtime, scripted(model, [{ ...lost, inFirst: join(folder, 'first') }]));
    expect(runtime.status()).toMatchObject({ restarts: 1, lastLoss: { reason: lost.broken } });
    await expect(draw(runtime, scripted(model, [lost]))).rejects.toMatchObject({
      code: 'deviceLost',
      message: `The device was lost twice during this run: ${lost.broken}.`,
    });
  });

  test('leaves its run to another device, when it is lost twice', async () => {
    await using runtime = startRuntime(
      { provider: ['cpu', 'cpu'], log: () => {} },
      new URL('../helpers/scriptedProcess.mjs', import.meta.url).pathname,
    );
    await runtime.ready();
    // The process that takes the run first, and the one after it, lose the device.
    const steps = ['one', 'two'].map((name) => ({ ...lost, inFirst: join(folder, name) }));
    await draw(runtime, scripted(model, steps));
    expect(runtime.status().restarts).toBe(2);
  });
});

describe('a device without memory', () => {
  test('fails the run that asked for it and no other, in the same process', async () => {
    await using runtime = startScripted();
    await runtime.ready();
    const { pid } = runtime.status();
    const [refused, drawn] = await Promise.allSettled([
      draw(runtime, scripted(model, [full])),
      draw(runtime, scripted(model)),
    ]);
    expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'outOfMemory' } });
    expect(drawn.status).toBe('fulfilled');
    expect(runtime.status()).toMatchObject({ pid, restarts: 0 });
  });

  test('leaves its run to another device that may have more', async () => {
    await using runtime = startRuntime(
      { provider: ['cpu', 'cpu'], log: () => {} },
      new URL('../helpers/scriptedProcess.mjs', import.meta.url).pathname,
    );
    await draw(runtime, scripted(model, [{ ...full, inFirst: join(folder, 'small') }]));
    await expect(draw(runtime, scripted(model, [full]))).rejects.toMatchObject({ code: 'outOfMemory' });
    expect(runtime.status().restarts).toBe(0);
  });

  test('is told to the client with the parameter to change', async () => {
    await using runtime = startScripted();
    const parameter = 'height';
    const script = [{ fail: { ...full.fail, parameter } }];
    await using server = await startTestServer({ runtime });
    const { prompt } = scripted(model, script);
    const { status, body } = await server.post([imageTask({ positivePrompt: prompt })]);
    expect(status).toBe(507);
    expect(body.errors).toMatchObject([{ code: 'outOfMemory', parameter, message: full.fail.message }]);
  });
});
