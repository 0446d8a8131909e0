import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeModel, type Runtime, startRuntime } from '../../runtime/index.ts';
import { noise, pngUri } from '../helpers/pictures.ts';
import { type Item, startTestServer, type TestServer } from '../helpers/server.ts';
import {
  readUpscalerCases,
  renamedTensors,
  unpackUpscalers,
  upscalerBytes,
  upscalerInput,
} from '../helpers/upscalers.ts';

// With a real runtime process and real, tiny networks.
let modelsDir: string;
let runtime: Runtime;
let server: TestServer;
beforeAll(async () => {
  modelsDir = await mkdtemp(join(tmpdir(), 'upscale-'));
  const folder = await unpackUpscalers(join(modelsDir, 'upscalers'), ['compact-x4', 'rrdb-x2']);
  await writeFile(
    join(folder, 'broken.safetensors'),
    renamedTensors(upscalerBytes('compact-x2'), (name) => (name.startsWith('body.6') ? undefined : name)),
  );
  runtime = startRuntime({ provider: 'cpu', threads: 1, log: () => {} });
  server = await startTestServer({ runtime, modelsDir: [modelsDir], describe: describeModel });
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await runtime?.close();
  await rm(modelsDir, { recursive: true, force: true });
});

const upscaleTask = (more: Record<string, unknown>) => ({
  taskType: 'upscale',
  taskUUID: randomUUID(),
  outputFormat: 'PNG',
  outputType: 'base64Data',
  ...more,
});

async function decoded({ imageBase64Data }: Item) {
  const { data, info } = await sharp(Buffer.from(imageBase64Data, 'base64'))
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data };
}

/** Uploads noise of this size. @returns the UUID */
async function uploaded(width: number, height: number): Promise<string> {
  const socket = await server.socket();
  const item = await socket.ask({ taskType: 'imageUpload', image: await pngUri(noise(width, height)) });
  socket.terminate();
  return item.imageUUID;
}

describe('upscale', () => {
  test('gives the picture that PyTorch made, and names the picture it was made of', async () => {
    const socket = await server.socket();
    const image = await pngUri(await upscalerInput());
    const task = upscaleTask({ inputImage: image, model: 'local:compact-x4@1', upscaleFactor: 4 });
    const item = await socket.ask(task);
    expect(item).toEqual({
      taskType: 'upscale',
      taskUUID: task.taskUUID,
      status: 'success',
      imageUUID: expect.any(String),
      imageURL: `${server.url}/images/${item.imageUUID}.png`,
      imageBase64Data: expect.any(String),
      inputImageUUID: expect.any(String),
      resultIndex: 0,
    });
    const { data, width, height } = await decoded(item);
    expect([width, height]).toEqual([80, 64]);
    const { output } = readUpscalerCases().find(({ name }) => name === 'compact-x4')!;
    const expected = Uint8ClampedArray.from({ length: data.length }, (_, at) => {
      return output.data[(at % 3) * width * height + Math.floor(at / 3)]! * 255;
    });
    expect(data.reduce((most, value, at) => Math.max(most, Math.abs(value - expected[at]!)), 0)).toBeLessThanOrEqual(1);
    // The input is stored, and the same task by its UUID has the same picture.
    const again = await socket.ask(
      upscaleTask({ inputs: { image: item.inputImageUUID }, model: 'compact-x4', upscaleFactor: 4 }),
    );
    expect(again).toMatchObject({ inputImageUUID: item.inputImageUUID, imageBase64Data: item.imageBase64Data });
  });

  test.each([
    ['imageUpscale', { upscaleFactor: 3 }, [30, 24]],
    ['upscale', {}, [20, 16]],
    ['upscale', { upscaleFactor: 4, model: 'local:lanczos@1' }, [40, 32]],
    ['upscale', { upscaleFactor: 3, model: 'local:rrdb-x2@1' }, [30, 24]],
  ])('answers %s with its name and the size asked for: %j', async (taskType, more, size) => {
    const inputImage = await uploaded(10, 8);
    const socket = await server.socket();
    const item = await socket.ask(upscaleTask({ taskType, inputImage, ...more }));
    expect(item).toMatchObject({ taskType, inputImageUUID: inputImage });
    const { width, height } = await decoded(item);
    expect([width, height]).toEqual(size);
  });

  test('enlarges to a number of megapixels', async () => {
    const inputImage = await uploaded(400, 300);
    const socket = await server.socket();
    const task = upscaleTask({ inputImage, targetMegapixels: 1.2, model: 'lanczos' });
    const { width, height } = await decoded(await socket.ask(task));
    expect([width, height]).toEqual([1265, 949]);
  });

  test('tells the tiles as steps, shows them, and counts them', async () => {
    const inputImage = await uploaded(600, 200);
    const socket = await server.socket();
    const task = upscaleTask({
      inputImage,
      model: 'local:lanczos@1',
      progress: true,
      previews: { delivery: 'base64' },
    });
    socket.send(task);
    const { steps } = await socket.event('started', task.taskUUID);
    expect(steps).toBeGreaterThan(4);
    const preview = await socket.event('previewed', task.taskUUID);
    expect(preview).toMatchObject({ steps, width: 512, height: 171 });
    await socket.item(task.taskUUID);
    const told = socket.frames.flatMap(({ events = [] }) => events).filter(({ event }) => event === 'stepped');
    expect(told.length).toBeGreaterThan(1);
    const metrics = await fetch(`${server.url}/metrics`).then((response) => response.text());
    expect(metrics).toMatch(/results_total\{model="local:lanczos@1"\} [1-9]/);
  });

  test('replays a finished task, and answers for it later', async () => {
    const inputImage = await uploaded(12, 9);
    const socket = await server.socket();
    const task = upscaleTask({ inputImage, deliveryMethod: 'async' });
    expect(await socket.ask(task)).toMatchObject({ taskType: 'upscale', status: 'processing' });
    const poll = () => socket.ask({ taskType: 'getResponse', taskUUID: task.taskUUID });
    let answer = await poll();
    while (answer.status === 'processing') answer = await poll();
    expect(answer).toMatchObject({ taskType: 'upscale', status: 'success', inputImageUUID: inputImage });
    // Repeated, it does not run again.
    socket.send(task);
    await socket.item(task.taskUUID);
    expect((await poll()).imageUUID).toBe(answer.imageUUID);
    const details = await socket.ask({ taskType: 'getTaskDetails', taskUUID: task.taskUUID });
    expect(details.request[0]).toMatchObject({ model: 'local:compact-x4@1', upscaleFactor: 2, width: 24, height: 18 });
  });

  test('stops between two tiles when it is cancelled, and a newer task of its lane supersedes it', async () => {
    const inputImage = await uploaded(1400, 1400);
    const socket = await server.socket();
    const task = upscaleTask({ inputImage, model: 'local:compact-x4@1', upscaleFactor: 2, progress: true });
    socket.send(task);
    await socket.event('stepped', task.taskUUID);
    const { cancelled } = await socket.ask({ taskType: 'taskCancel', taskUUID: randomUUID(), tasks: [task.taskUUID] });
    expect(cancelled).toEqual([task.taskUUID]);
    const older = upscaleTask({ inputImage, lane: 'picture', progress: true });
    socket.send(older);
    await socket.event('queued', older.taskUUID);
    const newer = await socket.ask(upscaleTask({ inputImage: await uploaded(8, 8), lane: 'picture' }));
    expect(newer.imageUUID).toEqual(expect.any(String));
    expect(await socket.event('cancelled', older.taskUUID)).toMatchObject({ reason: 'superseded' });
  });

  test.each([
    ['a model that does not exist', { model: 'local:none@1' }, 'modelNotFound', 'local:lanczos@1'],
    [
      'a model that does not exist, told with the networks',
      { model: 'local:none@1' },
      'modelNotFound',
      'local:compact-x4@1',
    ],
    ['a broken network', { model: 'local:broken@1' }, 'modelUnavailable', 'its last layer gives 16 channels'],
    ['a factor and a size', { upscaleFactor: 2, targetMegapixels: 2 }, 'invalidTargetMegapixels', 'Use either'],
    ['a size from far below', { targetMegapixels: 8 }, 'invalidTargetMegapixels', 'at most 8 times'],
    ['bytes that are no image', { inputImage: 'AAAAAAAAAAAAAAAAAAAAAAAA' }, 'invalidInputImage', 'not an image'],
  ])('refuses %s', async (_what, more, code, told) => {
    const socket = await server.socket();
    const inputImage = await uploaded(10, 8);
    const wire = await socket.ask(upscaleTask({ inputImage, ...more })).catch((error) => error.wire);
    expect(wire).toMatchObject({ code, taskType: 'upscale', message: expect.stringContaining(told) });
  });

  test.each([
    [4, { upscaleFactor: 4 }, 'invalidUpscaleFactor', 'at most 16777216 pixels'],
    [1, { targetMegapixels: 1 }, 'invalidTargetMegapixels', 'more than 1 megapixels already'],
  ])('refuses a result beyond the limits: %i', async (_at, more, code, told) => {
    const socket = await server.socket();
    const inputImage = await uploaded(1100, 1000);
    const wire = await socket.ask(upscaleTask({ inputImage, ...more })).catch((error) => error.wire);
    expect(wire).toMatchObject({ code, message: expect.stringContaining(told) });
  });
});

describe('modelSearch', () => {
  test('lists upscalers with their scale, and interpolation last', async () => {
    const socket = await server.socket();
    const { results } = await socket.ask({ taskType: 'modelSearch', category: 'upscaler' });
    const told = results.map(({ air, scale, available }: Record<string, unknown>) => [air, scale, available]);
    expect(told).toEqual([
      ['local:broken@1', 1, false],
      ['local:compact-x4@1', 4, true],
      ['local:rrdb-x2@1', 2, true],
      ['local:lanczos@1', 1, true],
    ]);
  });
});
