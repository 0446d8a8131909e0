import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import type { CheckpointItem, ModelItem } from '../../protocol/replies.ts';
import { RuntimeError } from '../../runtime/index.ts';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { noise, pngUri } from '../helpers/pictures.ts';
import { describeTestModel, describeWithIpAdapter, imageTask, startTestServer } from '../helpers/server.ts';

const model = 'plain-sd1x';
const guide = await pngUri(noise(64, 64));
const file = (name: string) => expect.stringMatching(new RegExp(`server-models/${name}$`));

/** The request that the runtime gets for a task. */
async function requestOf(task: Record<string, unknown>) {
  const runtime = createFakeRuntime();
  await using server = await startTestServer({ runtime });
  await (await server.socket()).ask(imageTask(task));
  return runtime.requests[0]!;
}

async function errorOf(task: Record<string, unknown>) {
  const runtime = createFakeRuntime();
  await using server = await startTestServer({ runtime });
  const socket = await server.socket();
  const sent = imageTask(task);
  socket.send(sent);
  const error = await socket.error(sent.taskUUID);
  expect(runtime.requests).toEqual([]);
  return error;
}

/** Serves one picture, and counts how often; `/never` is not answered. */
async function startImageServer() {
  const bytes = Buffer.from(guide.split(',')[1]!, 'base64');
  const counts = { requests: 0, left: 0 };
  const server = http.createServer((request, response) => {
    counts.requests++;
    if (request.url === '/never') response.on('close', () => counts.left++);
    else response.end(bytes);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

test('gives the runtime the files of all models that a task names', async () => {
  const request = await requestOf({
    model,
    positivePrompt2: 'an oil painting',
    negativePrompt2: 'a photograph',
    promptWeighting: 'compel',
    imageGuidanceScale: 1.2,
    shift: 2.5,
    lora: [{ model: 'local:pixel-lora-sd1x@1', weight: -0.5 }],
    lycoris: [{ model: 'PLAIN-LORA' }],
    embeddings: [{ model: 'mood-embedding', weight: 0.8 }],
    vae: 'vae/soft-vae.safetensors',
  });
  expect(request).toMatchObject({
    model: file('plain-sd1x'),
    prompt2: 'an oil painting',
    negativePrompt2: 'a photograph',
    promptWeighting: 'compel',
    imageGuidanceScale: 1.2,
    shift: 2.5,
    loras: [
      { path: file('loras/pixel-lora-sd1x.safetensors'), weight: -0.5 },
      { path: file('loras/plain-lora.safetensors'), weight: 1 },
    ],
    embeddings: [{ path: file('embeddings/mood-embedding.safetensors'), weight: 0.8 }],
    vae: file('vae/soft-vae.safetensors'),
  });
});

test('gives the runtime nothing that a task does not name', async () => {
  const request = await requestOf({ model, lora: [], controlNet: [], embeddings: [] });
  for (const key of [
    'loras',
    'embeddings',
    'controlNets',
    'imagePrompts',
    'vae',
    'refiner',
    'deepCache',
    'mask',
    'image',
    'prompt2',
  ])
    expect(request).not.toHaveProperty(key);
});

test('gives the runtime the pictures that are read like words, in their own size', async () => {
  const runtime = createFakeRuntime();
  await using server = await startTestServer({ runtime, describe: describeWithIpAdapter });
  const socket = await server.socket();
  await socket.ask(
    imageTask({
      model,
      ipAdapters: [
        { model: 'depth', guideImage: guide, weight: 0.6 },
        { model: 'depth', guideImages: [guide, guide], weightType: 'ease_in', combineMethod: 'average' },
      ],
    }),
  );
  const [request] = runtime.requests;
  expect(request!.imagePrompts).toMatchObject([
    { model: file('controlnet/depth'), weight: 0.6, pictures: [{ width: 64, height: 64 }] },
    { weight: 1, pictures: [{ width: 64 }, { width: 64 }], weightType: 'ease_in', combineMethod: 'average' },
  ]);
  // What a task does not say is the runtime's to choose; some models refuse it.
  expect(Object.keys(request!.imagePrompts![0]!).sort()).toEqual(['model', 'pictures', 'weight']);
  const found = await socket.ask({ taskType: 'modelSearch', taskUUID: randomUUID(), category: 'ipadapter' });
  expect(found.results).toMatchObject([{ air: 'local:depth@1', category: 'ipadapter' }]);
});

test('counts the steps of ControlNets and refiners from 0 over the whole schedule', async () => {
  const request = await requestOf({
    model: 'big-sdxl',
    steps: 10,
    seedImage: guide,
    strength: 0.5,
    controlNet: [
      { model: 'depth', guideImage: guide, controlMode: 'controlnet' },
      { model: 'depth', guideImage: guide, weight: 0.4, startStep: 3, endStep: 8, controlMode: 'prompt' },
      { model: 'depth', guideImage: guide, startStepPercentage: 29, endStepPercentage: 75 },
      { model: 'depth', guideImage: guide, startStepPercentage: 21, endStepPercentage: 29 },
    ],
    refiner: { model: 'refiner-sdxl', startStep: 8 },
  });
  expect(request.controlNets).toMatchObject([
    { model: file('controlnet/depth'), weight: 1, startStep: 0, endStep: 10, mode: 'controlnet' },
    { weight: 0.4, startStep: 2, endStep: 8, mode: 'prompt' },
    { startStep: 2, endStep: 7, mode: 'balanced' },
  ]);
  // The fourth begins and ends at step 2: it never acts.
  expect(request.controlNets).toHaveLength(3);
  for (const { pixels } of request.controlNets!) expect(pixels).toMatchObject({ width: 128, height: 128 });
  expect(request.refiner).toEqual({ model: file('refiner-sdxl'), startStep: 7 });
});

test('counts the steps of deep caching alike, and leaves out what has none', async () => {
  const cached = async (options: object) =>
    (await requestOf({ model, steps: 10, acceleratorOptions: { deepCache: true, ...options } })).deepCache;
  expect(await cached({})).toEqual({ interval: 3, startStep: 0, endStep: 10 });
  expect(await cached({ deepCacheInterval: 2, cacheStartStep: 3, cacheEndStepPercentage: 75 })).toEqual({
    interval: 2,
    startStep: 2,
    endStep: 7,
  });
  expect(await cached({ cacheStartStepPercentage: 21, cacheEndStepPercentage: 29 })).toBeUndefined();
});

test('leaves the last fifth of the steps to a refiner that is not told where to begin', async () => {
  const request = await requestOf({ model: 'big-sdxl', steps: 20, refiner: { model: 'refiner-sdxl' } });
  expect(request.refiner!.startStep).toBe(16);
});

describe('refuses', () => {
  test.each([
    ['model', { model: 'plain-lora' }, 'a checkpoint', 'is a LoRA'],
    ['lora[1].model', { lora: [{ model: 'plain-lora' }, { model: 'depth' }] }, 'a LoRA', 'is a ControlNet'],
    ['lycoris[0].model', { lycoris: [{ model: 'soft-vae' }] }, 'a LoRA', 'is a VAE'],
    ['embeddings[0].model', { embeddings: [{ model: 'taesd' }] }, 'an embedding', 'is a tiny decoder'],
    ['controlNet[0].model', { controlNet: [{ model: 'tiny', guideImage: guide }] }, 'a ControlNet', 'is a checkpoint'],
    ['vae', { vae: 'mood-embedding' }, 'a VAE', 'is an embedding'],
    ['refiner.model', { refiner: { model: 'soft-vae' } }, 'a checkpoint', 'is a VAE'],
  ])('a model of another kind as %s', async (parameter, task, wanted, found) => {
    const error = await errorOf(task);
    expect(error).toMatchObject({ code: 'unsupportedModel', parameter });
    expect(error.message).toContain(`must name ${wanted}`);
    expect(error.message).toContain(found);
  });

  test.each([
    [
      'lora[0].model',
      { lora: [{ model: 'x:1@1' }] },
      ['local:grand-lora-sdxl@1', 'local:pixel-lora-sd1x@1', 'local:plain-lora@1'],
    ],
    [
      'controlNet[0].model',
      { controlNet: [{ model: 'x:1@1', guideImage: guide }] },
      ['local:canny-sd1x@1', 'local:depth@1'],
    ],
    ['vae', { vae: 'x:1@1' }, ['local:soft-vae@1']],
  ])('what is not there as %s, and says what is', async (parameter, task, allowedValues) => {
    expect(await errorOf(task)).toMatchObject({ code: 'modelNotFound', parameter, allowedValues });
  });

  test.each([
    ['lora[0].model', { lora: [{ model: 'grand-lora-sdxl' }] }],
    ['embeddings[0].model', { embeddings: [{ model: 'grand-embedding-sdxl' }] }],
    ['refiner.model', { refiner: { model: 'refiner-sdxl' } }],
  ])('what was made for another architecture as %s', async (parameter, task) => {
    const error = await errorOf({ model, ...task });
    expect(error).toMatchObject({ code: 'unsupportedModel', parameter });
    expect(error.message).toMatch(/for sdxl, but the model local:plain-sd1x@1 is sd1x\.$/);
  });

  test('a model that cannot be used, where it is named', async () => {
    const error = await errorOf({ refiner: { model: 'old' } });
    expect(error).toMatchObject({ code: 'modelUnavailable', parameter: 'refiner.model' });
    expect(error.message).toContain('local:old@1');
  });
});

test('takes what says nothing of its architecture', async () => {
  const request = await requestOf({ model: 'big-sdxl', lora: [{ model: 'plain-lora' }, { model: 'grand-lora-sdxl' }] });
  expect(request.loras).toHaveLength(2);
});

test('does not take a repeated task with another LoRA for the same', async () => {
  await using server = await startTestServer();
  const socket = await server.socket();
  const task = imageTask({ lora: [{ model: 'plain-lora', weight: 0.5 }] });
  await socket.ask(task);
  for (const lora of [[{ model: 'pixel-lora-sd1x', weight: 0.5 }], [{ model: 'plain-lora', weight: 0.6 }], []]) {
    socket.send({ ...task, lora });
    expect((await socket.error(task.taskUUID)).code).toBe('conflictTaskUUID');
  }
  expect((await socket.ask(task)).status).toBe('success');
});

describe('guide images', () => {
  test('are fetched and decoded once, however often a task names them', async () => {
    await using images = await startImageServer();
    const runtime = createFakeRuntime();
    await using server = await startTestServer({ runtime, allowPrivateUrls: true });
    const socket = await server.socket();
    const guideImage = `${images.url}/guide.png`;
    const task = imageTask({
      numberResults: 3,
      seedImage: guideImage,
      controlNet: [
        { model: 'depth', guideImage },
        { model: 'canny-sd1x', guideImage },
      ],
    });
    socket.send(task);
    for (let index = 0; index < 3; index++) await socket.item(task.taskUUID);
    expect(images.counts.requests).toBe(1);
    const [first, ...others] = runtime.requests.flatMap(({ image, controlNets }) => [
      image!.pixels,
      ...controlNets!.map(({ pixels }) => pixels),
    ]);
    expect(others).toHaveLength(8);
    for (const pixels of others) expect(pixels).toBe(first);
  });

  test('are refused where they are too large, under their own name', async () => {
    await using server = await startTestServer({ maxPixels: 10_000 });
    const socket = await server.socket();
    const large = await pngUri(noise(128, 128));
    const task = imageTask({
      controlNet: [
        { model: 'depth', guideImage: guide },
        { model: 'depth', guideImage: large },
      ],
    });
    socket.send(task);
    const error = await socket.error(task.taskUUID);
    expect(error).toMatchObject({ code: 'invalidControlNet', parameter: 'controlNet[1].guideImage' });
    expect(error.message).toContain('10000 pixels');
  });

  test('are no longer fetched when their task is cancelled', async () => {
    await using images = await startImageServer();
    const runtime = createFakeRuntime();
    await using server = await startTestServer({ runtime, allowPrivateUrls: true });
    const socket = await server.socket();
    const task = imageTask({ controlNet: [{ model: 'depth', guideImage: `${images.url}/never` }] });
    socket.send(task);
    await expect.poll(() => images.counts.requests).toBe(1);
    expect((await socket.ask({ taskType: 'taskCancel', tasks: [task.taskUUID] })).cancelled).toEqual([task.taskUUID]);
    await expect.poll(() => images.counts.left).toBe(1);
    expect(runtime.requests).toEqual([]);
    socket.frames.length = 0;
    await socket.ask(imageTask());
    expect(JSON.stringify(socket.frames)).not.toContain(task.taskUUID);
  });
});

describe('tiny previews', () => {
  test('are made by a tiny decoder that is there', async () => {
    const request = await requestOf({ model, previews: { decoder: 'Tiny' } });
    expect(request.previews).toEqual({ every: 1, decoder: 'tiny', tinyDecoder: file('taesd') });
  });

  test('are made by the decoder that the model brings, and no other model is shown by it', async () => {
    const own = '/anywhere/tiny/tiny_decoder';
    const describe = async (folder: string) => {
      const known = describeTestModel(folder);
      return known.name === 'tiny' ? { ...known, ownTinyDecoder: own } : known;
    };
    const runtime = createFakeRuntime();
    await using server = await startTestServer({ runtime, describe });
    const socket = await server.socket();
    for (const model of ['tiny', 'plain-sd1x']) await socket.ask(imageTask({ model, previews: { decoder: 'tiny' } }));
    expect(runtime.requests.map(({ previews }) => previews?.tinyDecoder)).toEqual([own, file('taesd')]);
  });

  test('are refused where no tiny decoder fits, and it is said how to get one', async () => {
    const error = await errorOf({ model: 'big-sdxl', previews: { decoder: 'tiny' } });
    expect(error).toMatchObject({ code: 'unsupportedParameter', parameter: 'previews.decoder' });
    expect(error.message).toContain('taesdxl');
  });
});

test('tells of weights that are read from disk, by events and to those who ask', async () => {
  await using server = await startTestServer({ runtime: createFakeRuntime({ loadingMs: 1000 }) });
  const socket = await server.socket();
  const task = imageTask({ progress: true, deliveryMethod: 'async' });
  socket.send(task);
  expect(await socket.event('loading', task.taskUUID)).toMatchObject({ component: 'text_encoder', progress: 0 });
  expect(await socket.event('loading', task.taskUUID)).toMatchObject({ component: 'unet', progress: 25 });
  const asked = await server.post([{ taskType: 'getResponse', taskUUID: task.taskUUID }]);
  expect(asked.body.data).toMatchObject([{ status: 'processing', loading: { component: 'unet', progress: 25 } }]);
  await socket.event('stepped', task.taskUUID);
  const results = async () => (await server.post([{ taskType: 'getResponse', taskUUID: task.taskUUID }])).body.data;
  await expect.poll(results, { timeout: 20_000 }).toMatchObject([{ status: 'success' }]);
  socket.frames.length = 0;
  await socket.ask(imageTask());
  expect(JSON.stringify(socket.frames)).not.toContain('loading');
});

test.each([
  ['loras', 'lora'],
  ['loras[1].path', 'lora[1].model'],
  ['controlNets', 'controlNet'],
  ['controlNets[0].pixels', 'controlNet[0].guideImage'],
  ['prompt2', 'positivePrompt2'],
  ['mask', 'maskImage'],
  ['refiner.startStep', 'refiner.startStep'],
  ['deepCache', 'acceleratorOptions.deepCache'],
  ['imageGuidanceScale', 'imageGuidanceScale'],
  ['shift', 'shift'],
])('calls %s of the runtime %s', async (parameter, name) => {
  const failWith = new RuntimeError('unsupportedParameter', 'Not with this model.', { parameter });
  await using server = await startTestServer({ runtime: createFakeRuntime({ failWith }) });
  const socket = await server.socket();
  const task = imageTask();
  socket.send(task);
  expect(await socket.error(task.taskUUID)).toMatchObject({ code: 'unsupportedParameter', parameter: name });
});

describe('modelSearch', () => {
  async function search(filter: Record<string, unknown>) {
    await using server = await startTestServer();
    const answer = await (await server.socket()).ask({
      taskType: 'modelSearch',
      taskUUID: randomUUID(),
      limit: 100,
      ...filter,
    });
    return answer.results as ModelItem[];
  }

  test.each([
    ['lora', ['local:grand-lora-sdxl@1', 'local:pixel-lora-sd1x@1', 'local:plain-lora@1']],
    ['LyCORIS', ['local:grand-lora-sdxl@1', 'local:pixel-lora-sd1x@1', 'local:plain-lora@1']],
    ['embeddings', ['local:grand-embedding-sdxl@1', 'local:mood-embedding@1']],
    ['controlnet', ['local:canny-sd1x@1', 'local:depth@1']],
    ['vae', ['local:taesd@1', 'local:soft-vae@1']],
  ])('finds %s', async (category, airs) => {
    expect((await search({ category })).map(({ air }) => air)).toEqual(airs);
  });

  test('finds what was made for an architecture, and refiners by their type', async () => {
    const found = await search({ architecture: 'SDXL' });
    expect(found.map(({ air }) => air)).toEqual([
      'local:big-sdxl@1',
      'local:grand-embedding-sdxl@1',
      'local:grand-lora-sdxl@1',
      'local:refiner-sdxl@1',
    ]);
    expect((await search({ category: 'checkpoint', type: 'refiner' })).map(({ air }) => air)).toEqual([
      'local:refiner-sdxl@1',
    ]);
  });

  test('says what previews a model can be shown by', async () => {
    const found = (await search({ category: 'checkpoint' })) as CheckpointItem[];
    expect(Object.fromEntries(found.map(({ air, previewDecoders }) => [air, previewDecoders]))).toMatchObject({
      'local:plain-sd1x@1': ['linear', 'tiny'],
      'local:big-sdxl@1': ['linear'],
    });
  });

  test('lists pickled files with the reason why they cannot be used', async () => {
    expect(await search({ search: 'old' })).toMatchObject([
      { air: 'local:old@1', available: false, reason: expect.any(String) },
    ]);
  });
});
