import { randomUUID } from 'node:crypto';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { RuntimeError } from '../../runtime/index.ts';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { describeTestModel, imageTask, startTestServer } from '../helpers/server.ts';

test('makes an image that can be fetched by its URL', async () => {
  await using server = await startTestServer();
  const socket = await server.socket();
  const task = imageTask({ seed: 7, outputFormat: 'PNG', width: 192 });
  const item = await socket.ask(task);
  expect(item).toEqual({
    taskType: 'imageInference',
    taskUUID: task.taskUUID,
    status: 'success',
    imageUUID: expect.stringMatching(/^[0-9a-f-]{36}$/),
    imageURL: `${server.url}/images/${item.imageUUID}.png`,
    seed: 7,
    resultIndex: 0,
  });
  const response = await fetch(item.imageURL);
  expect(response.status).toBe(200);
  const { width, height, format } = await sharp(Buffer.from(await response.arrayBuffer())).metadata();
  expect({ width, height, format }).toEqual({ width: 192, height: 128, format: 'png' });
});

test('sends each of several results as it finishes, with seeds that count up and make it again', async () => {
  await using server = await startTestServer();
  const socket = await server.socket();
  const task = imageTask({ numberResults: 3, seed: 40, outputFormat: 'PNG', outputType: 'base64Data' });
  socket.send(task);
  const items = [];
  for (let index = 0; index < 3; index++) items.push(await socket.item(task.taskUUID));
  expect(items.map(({ resultIndex, seed }) => [resultIndex, seed])).toEqual([
    [0, 40],
    [1, 41],
    [2, 42],
  ]);
  expect(new Set(items.map(({ imageUUID }) => imageUUID)).size).toBe(3);
  const again = await socket.ask(imageTask({ seed: 41, outputFormat: 'PNG', outputType: 'base64Data' }));
  expect(again.imageBase64Data).toBe(items[1]!.imageBase64Data);
});

test('draws a random seed of 32 bits where none or -1 is given', async () => {
  await using server = await startTestServer();
  const socket = await server.socket();
  const seeds = [];
  for (const seed of [undefined, -1, null]) seeds.push((await socket.ask(imageTask({ seed }))).seed);
  for (const seed of seeds) expect(seed).toBeGreaterThanOrEqual(0);
  for (const seed of seeds) expect(seed).toBeLessThan(2 ** 32);
  expect(new Set(seeds).size).toBe(3);
});

test('keeps every digit of a seed of 63 bits', async () => {
  const runtime = createFakeRuntime();
  await using server = await startTestServer({ runtime });
  const socket = await server.socket();
  const { taskUUID, ...task } = imageTask();
  socket.webSocket.send(
    `[${JSON.stringify({ ...task, taskUUID }).replace('"steps"', '"seed":9223372036854775807,"steps"')}]`,
  );
  expect((await socket.item(taskUUID)).seed).toBe(9223372036854775807n);
  expect(runtime.requests[0]!.seed).toBe(9223372036854775807n);
});

test('fills in the defaults of the model', async () => {
  const runtime = createFakeRuntime();
  await using server = await startTestServer({ runtime });
  const socket = await server.socket();
  await socket.ask({ taskType: 'imageInference', positivePrompt: 'a red fox' });
  expect(runtime.requests[0]).toEqual({
    share: { key: expect.any(String), weight: 1 },
    progress: false,
    model: expect.stringMatching(/tiny$/),
    prompt: 'a red fox',
    width: 128,
    height: 128,
    steps: 4,
    guidanceScale: 5,
    seed: expect.any(BigInt),
    clipSkip: undefined,
  });
});

test.each([
  ['above 1', 1],
  ['above 0', 0],
  ['never', 1],
  ['true scale', 3.5],
] as const)(
  'a blank prompt has no text guidance, of a model that is guided by the rule "%s"',
  async (rule, expected) => {
    const runtime = createFakeRuntime();
    const describe = async (folder: string) => ({ ...describeTestModel(folder), guidanceRule: rule });
    await using server = await startTestServer({ runtime, describe });
    const socket = await server.socket();
    await socket.ask(imageTask({ positivePrompt: '__BLANK__', negativePrompt: 'blurry', CFGScale: 3.5 }));
    expect(runtime.requests[0]).toMatchObject({ prompt: '', guidanceScale: expected });
    expect(runtime.requests[0]!.negativePrompt).toBeUndefined();
  },
);

test('gives the runtime what the task says', async () => {
  const runtime = createFakeRuntime();
  await using server = await startTestServer({ runtime });
  const socket = await server.socket();
  await socket.ask(
    imageTask({
      negativePrompt: 'blurry',
      CFGScale: 0,
      steps: 2,
      scheduler: 'euler A',
      clipSkip: 1,
      width: 256,
      previews: { every: 2 },
    }),
  );
  expect(runtime.requests[0]).toMatchObject({
    negativePrompt: 'blurry',
    guidanceScale: 0,
    steps: 2,
    scheduler: expect.stringMatching(/^euler a$/i),
    clipSkip: 1,
    width: 256,
    previews: { every: 2, decoder: 'linear' },
  });
  await socket.ask(imageTask({ scheduler: 'Default' }));
  expect(runtime.requests[1]).not.toHaveProperty('scheduler');
});

test.each([
  ['JPG', 'jpeg', 'jpg'],
  ['png', 'png', 'png'],
  ['WEBP', 'webp', 'webp'],
])('encodes %s', async (outputFormat, format, extension) => {
  await using server = await startTestServer();
  const socket = await server.socket();
  const outputType = ['URL', 'base64Data', 'dataURI'];
  const item = await socket.ask(imageTask({ outputFormat, outputType, includeCost: true, outputQuality: 60 }));
  expect(item.imageURL).toMatch(new RegExp(`\\.${extension}$`));
  const bytes = Buffer.from(item.imageBase64Data, 'base64');
  expect((await sharp(bytes).metadata()).format).toBe(format);
  expect(item.imageDataURI).toBe(`data:image/${format};base64,${item.imageBase64Data}`);
  expect(item.cost).toBe(0);
  expect(Buffer.from(await (await fetch(item.imageURL)).arrayBuffer())).toEqual(bytes);
});

test('never has a key in a result that a client would take for an error', async () => {
  await using server = await startTestServer();
  const socket = await server.socket();
  const item = await socket.ask(imageTask({ outputType: ['dataURI'] }));
  for (const key of ['code', 'error', 'errorId']) expect(item).not.toHaveProperty(key);
});

test('takes what the official clients send around a task', async () => {
  await using server = await startTestServer();
  const socket = await server.socket();
  const item = await socket.ask(
    imageTask({
      somethingNew: { a: 1 },
      negativePrompt: null,
      controlNet: [],
      useCache: true,
      outputType: ['URL'],
      outputFormat: 'jpg',
    }),
  );
  expect(item.status).toBe('success');
});

describe('wrong parameters', () => {
  test.each([
    ['width', 100, 'invalidWidth'],
    ['width', 2112, 'invalidWidth'],
    ['height', 60, 'invalidHeight'],
    ['height', '512', 'invalidHeight'],
    ['steps', 0, 'invalidSteps'],
    ['steps', 101, 'invalidSteps'],
    ['CFGScale', 51, 'invalidCFGScale'],
    ['CFGScale', -1, 'invalidCFGScale'],
    ['clipSkip', 3, 'invalidClipSkip'],
    ['numberResults', 0, 'invalidNumberResults'],
    ['numberResults', 21, 'invalidNumberResults'],
    ['seed', 1.5, 'invalidSeed'],
    ['seed', -2, 'invalidSeed'],
    ['strength', 1.1, 'invalidStrength'],
    ['outputFormat', 'GIF', 'invalidOutputFormat'],
    ['outputType', 'text', 'invalidOutputType'],
    ['outputQuality', 100, 'invalidOutputQuality'],
    ['ttl', 59, 'invalidTtl'],
    ['deliveryMethod', 'stream', 'invalidDeliveryMethod'],
    ['previews', { every: 0 }, 'invalidPreviews'],
    ['lane', '', 'invalidLane'],
    ['positivePrompt', '', 'invalidPositivePrompt'],
    ['positivePrompt', 7, 'invalidPositivePrompt'],
    ['positivePrompt', null, 'missingPositivePrompt'],
    ['scheduler', 'no such scheduler', 'invalidScheduler'],
    ['model', 'runware:100@1', 'modelNotFound'],
    ['model', 'local:broken@1', 'modelUnavailable'],
    ['seedImage', 'short', 'invalidSeedImage'],
    ['webhookURL', 'https://example.org/hook', 'unsupportedParameter'],
  ])('%s: %j is answered with %s', async (parameter, value, code) => {
    await using server = await startTestServer();
    const socket = await server.socket();
    const task = imageTask({ [parameter]: value });
    socket.send(task);
    const error = await socket.error(task.taskUUID);
    expect(error).toMatchObject({ code, taskType: 'imageInference', taskUUID: task.taskUUID });
    expect(error.parameter?.split('.')[0]).toBe(parameter);
    expect(error.message).toBeTruthy();
  });

  test('says which models and schedulers there are', async () => {
    await using server = await startTestServer();
    const socket = await server.socket();
    const first = imageTask({ model: 'x:1@1' });
    socket.send(first);
    expect((await socket.error(first.taskUUID)).allowedValues).toContain('test:small@1');
    const second = imageTask({ scheduler: 'x' });
    socket.send(second);
    expect((await socket.error(second.taskUUID)).allowedValues).toContain('Euler');
  });

  test('says why a model is unavailable', async () => {
    await using server = await startTestServer();
    const socket = await server.socket();
    const task = imageTask({ model: 'local:broken@1' });
    socket.send(task);
    expect((await socket.error(task.taskUUID)).message).toContain('its weights are missing.');
  });
});

test.each([
  [new RuntimeError('inferenceError', 'A graph failed.'), { code: 'inferenceError', message: 'A graph failed.' }],
  [
    new RuntimeError('invalidParameter', 'Too much guidance.', { parameter: 'guidanceScale' }),
    { code: 'invalidCFGScale', parameter: 'CFGScale' },
  ],
  [
    new RuntimeError('unsupportedParameter', 'No image-to-image.', { parameter: 'image' }),
    { code: 'unsupportedParameter', parameter: 'seedImage' },
  ],
  [new RuntimeError('runtimeLost', 'Gone.'), { code: 'runtimeLost' }],
  [new Error('a secret path'), { code: 'internalServerError', message: expect.not.stringContaining('secret') }],
])('turns the failure of a run into one error: %s', async (error, expected) => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ failWith: error as RuntimeError }) });
  const socket = await server.socket();
  const task = imageTask({ numberResults: 3 });
  socket.send(task);
  expect(await socket.error(task.taskUUID)).toMatchObject({ ...expected, taskType: 'imageInference' });
  await socket.ask({ taskType: 'modelSearch' });
  expect(socket.frames).toEqual([]);
});

describe('events', () => {
  test('are not sent unless they are asked for', async () => {
    await using server = await startTestServer();
    const socket = await server.socket();
    await socket.ask(imageTask());
    expect(socket.frames).toEqual([]);
  });

  test('come in order: queued, started, then steps and previews that rise, then the result', async () => {
    await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 25 }) });
    const socket = await server.socket();
    const task = imageTask({ steps: 5, progress: true, previews: { size: 64 } });
    socket.send(task);
    const kinds: string[] = [];
    const steps: Record<string, number[]> = { stepped: [], previewed: [] };
    for (;;) {
      const frame = await socket.take();
      if (frame.data !== undefined) break;
      const event = frame.events![0]!;
      expect(event).toMatchObject({ taskType: 'imageInference', taskUUID: task.taskUUID });
      kinds.push(event.event);
      if (event.event === 'stepped' || event.event === 'previewed') steps[event.event]!.push(event.step);
      if (event.event === 'previewed') {
        expect(event).toMatchObject({ resultIndex: 0, steps: 5, width: 64, height: 64, format: 'JPG' });
        const { width } = await sharp(Buffer.from(event.imageBase64Data!, 'base64')).metadata();
        expect(width).toBe(64);
      }
    }
    expect(kinds.slice(0, 2)).toEqual(['queued', 'started']);
    expect(steps.stepped).toEqual([0, 1, 2, 3, 4]);
    expect(steps.previewed!.length).toBeGreaterThan(0);
    expect(steps.previewed).toEqual(steps.previewed!.toSorted((a, b) => a - b));
  });

  test('carry previews as binary frames on request', async () => {
    await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 25 }) });
    const socket = await server.socket();
    const task = imageTask({ width: 256, previews: { delivery: 'binary', format: 'PNG' } });
    socket.send(task);
    const event = (await socket.event('previewed', task.taskUUID)) as unknown as { bytes: Uint8Array; width: number };
    expect(event).not.toHaveProperty('imageBase64Data');
    // Without a size a preview has one pixel for each latent.
    expect(await sharp(event.bytes).metadata()).toMatchObject({ width: 32, height: 16, format: 'png' });
  });

  test('are asked for once by a session, and switched off by a task', async () => {
    await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 150 }) });
    const socket = await server.socket({ authenticate: { previews: { every: 2 }, progress: true } });
    const task = imageTask();
    socket.send(task);
    await socket.event('previewed', task.taskUUID);
    await socket.event('stepped', task.taskUUID);
    await socket.item(task.taskUUID);
    socket.frames.length = 0;
    await socket.ask(imageTask({ previews: false, progress: false }));
    expect(socket.frames).toEqual([]);
  });
});

test('finds a model by its other spellings', async () => {
  await using server = await startTestServer();
  const socket = await server.socket();
  for (const model of ['local:tiny@1', 'LOCAL:TINY@1', 'tiny', 'test:small@1', 'smallest']) {
    expect((await socket.ask(imageTask({ model }))).status).toBe('success');
  }
});

test('searches the models', async () => {
  await using server = await startTestServer();
  const socket = await server.socket();
  const all = await socket.ask({ taskType: 'modelSearch' });
  expect(all.totalResults).toBe(all.results.length);
  expect(all.results).toContainEqual(
    expect.objectContaining({ name: 'broken', available: false, reason: 'its weights are missing.' }),
  );
  const found = await socket.ask({ taskType: 'modelSearch', search: 'TINY model', category: 'checkpoint', limit: 1 });
  expect(found).toMatchObject({
    totalResults: 1,
    results: [
      { air: 'test:small@1', name: 'tiny', category: 'checkpoint', defaultSteps: 4, defaultCFG: 5, available: true },
    ],
  });
  expect((await socket.ask({ taskType: 'modelSearch', search: 'tiny', offset: 1 })).results).toEqual([]);
  expect((await socket.ask({ taskType: 'modelSearch', category: 'video' })).totalResults).toBe(0);
  expect(
    (await socket.ask({ taskType: 'modelSearch', tags: ['test', 'tiny'], taskUUID: randomUUID() })).totalResults,
  ).toBe(1);
});
