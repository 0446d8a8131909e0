import { EControlMode, Runware } from '@runware/sdk-js';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { at, maskUri, noise, picture, pixelsOf, pngUri } from '../helpers/pictures.ts';
import { imageTask, startTestServer, type TestServer } from '../helpers/server.ts';

/** The official JavaScript client, as its users have it; only the URL is another. */
async function connect(server: TestServer, apiKey = 'local-key') {
  const client = new Runware({ apiKey, url: `${server.url.replace('http', 'ws')}/v1`, timeoutDuration: 5_000 });
  await client.ensureConnection();
  return client;
}

const request = { positivePrompt: 'a red fox', model: 'local:tiny@1', width: 128, height: 128, steps: 4 };

test('the official client makes images', async () => {
  await using server = await startTestServer();
  const client = await connect(server);
  const images = await client.requestImages({
    ...request,
    numberResults: 2,
    seed: 7,
    includeCost: true,
    outputFormat: 'PNG',
  });
  expect(images).toHaveLength(2);
  expect(images!.map(({ seed }) => seed)).toEqual([7, 8]);
  expect(images![0]).toMatchObject({ taskType: 'imageInference', imageUUID: expect.any(String), cost: 0 });
  expect((await fetch(images![0]!.imageURL!)).status).toBe(200);
  await client.disconnect();
});

test('the official client uploads an image and starts from it', async () => {
  await using server = await startTestServer();
  const client = await connect(server);
  const bytes = await sharp({ create: { width: 64, height: 64, channels: 3, background: '#204080' } })
    .png()
    .toBuffer();
  const uploaded = await client.imageUpload({ image: `data:image/png;base64,${bytes.toString('base64')}` });
  // Its types call this a number; it is what the server sent.
  const imageUUID = String(uploaded.imageUUID);
  expect(imageUUID).toMatch(/^[0-9a-f-]{36}$/);
  const images = await client.requestImages({ ...request, seedImage: imageUUID, strength: 0.6 });
  expect(images).toHaveLength(1);
  const again = await client.requestImages({ ...request, seedImage: images![0]!.imageUUID! });
  expect(again).toHaveLength(1);
  await client.disconnect();
});

test('the official client inpaints, with a LoRA and a ControlNet', async () => {
  const runtime = createFakeRuntime({ color: [255, 0, 0] });
  await using server = await startTestServer({ runtime });
  const client = await connect(server);
  const seed = noise(128, 128);
  const images = await client.requestImages({
    ...request,
    outputFormat: 'PNG',
    outputType: 'base64Data',
    seedImage: await pngUri(seed),
    maskImage: await maskUri(128, 128, (x) => (x < 64 ? 255 : 0)),
    strength: 0.7,
    lora: [{ model: 'plain-lora', weight: 0.6 }],
    controlNet: [
      {
        model: 'depth',
        guideImage: await pngUri(seed),
        weight: 0.5,
        startStep: 1,
        endStep: 3,
        controlMode: EControlMode.BALANCED,
      },
    ],
  });
  expect(runtime.requests).toMatchObject([
    {
      image: { strength: 0.7 },
      loras: [{ path: expect.stringMatching(/plain-lora\.safetensors$/), weight: 0.6 }],
      controlNets: [
        { model: expect.stringMatching(/depth$/), weight: 0.5, startStep: 0, endStep: 3, mode: 'balanced' },
      ],
    },
  ]);
  const result = await pixelsOf({ ...images![0]! });
  const expected = picture(128, 128, (x, y) => (x < 64 ? [255, 0, 0] : at(seed, x, y)));
  expect(Buffer.compare(result.data, expected.data)).toBe(0);
  await client.disconnect();
});

test('the official client is undisturbed by previews of its own tasks', async () => {
  await using server = await startTestServer();
  const client = await connect(server);
  const partial: unknown[] = [];
  const images = await client.requestImages({
    ...request,
    numberResults: 2,
    previews: true,
    progress: true,
    onPartialImages: (items: unknown[]) => partial.push(...items),
  } as Parameters<typeof client.requestImages>[0]);
  expect(images).toHaveLength(2);
  expect(partial).toHaveLength(2);
  await client.disconnect();
});

test('the official client hears of errors with all of their fields', async () => {
  await using server = await startTestServer();
  const client = await connect(server);
  await expect(client.requestImages({ ...request, width: 500 })).rejects.toMatchObject({
    error: { code: 'invalidWidth', parameter: 'width', taskUUID: expect.any(String), min: 64, max: 2048 },
  });
  await expect(client.requestImages({ ...request, model: 'x:1@1' })).rejects.toMatchObject({
    error: { code: 'modelNotFound' },
  });
  await client.disconnect();
});

test('the official client hands on warnings about parameters that have no effect', async () => {
  await using server = await startTestServer();
  const client = await connect(server);
  const images = await client.requestImages({
    ...request,
    stepz: 3,
    checkNSFW: false,
    acceleration: 'high',
    outputFormat: 'JPEG' as 'JPG',
    acceleratorOptions: { teaCache: true, teaCacheDistance: 0.5 },
  });
  expect(images).toMatchObject([
    {
      imageURL: expect.stringMatching(/\.jpg$/),
      warnings: [
        { code: 'ignoredParameter', parameter: 'acceleratorOptions.teaCacheDistance' },
        { code: 'unknownParameter', message: expect.stringContaining('Did you mean `steps`?') },
      ],
    },
  ]);
  await client.disconnect();
});

test('the official client asks for the details of a task, and enlarges a picture', async () => {
  await using server = await startTestServer();
  const client = await connect(server);
  const [image] = (await client.requestImages({ ...request, seed: 7 }))!;
  const details = await client.getTaskDetails({ taskUUID: image!.taskUUID });
  expect(details).toMatchObject({ request: [{ seed: 7 }], response: { data: [{ imageUUID: image!.imageUUID }] } });
  const large = await client.upscale({ inputImage: image!.imageUUID!, upscaleFactor: 2, includeCost: true });
  expect(large).toMatchObject({ inputImageUUID: image!.imageUUID, imageURL: expect.any(String), cost: 0 });
  const bytes = await fetch(large.imageURL!).then((response) => response.arrayBuffer());
  expect(await sharp(Buffer.from(bytes)).metadata()).toMatchObject({ width: 256, height: 256 });
  await client.disconnect();
});

test('the official client follows an asynchronous task', async () => {
  await using server = await startTestServer();
  const client = await connect(server);
  const { taskUUID } = imageTask();
  await client.requestImages({ ...request, taskUUID, numberResults: 1, deliveryMethod: 'async' });
  // It hands over whatever comes about the task while it asks: what is unfinished, what is pushed and what is answered.
  const finished = new Set<string>();
  await expect
    .poll(async () => {
      const items = await client.getResponse<{ status: string; imageUUID: string }>({ taskUUID });
      for (const item of items) if (item.status === 'success') finished.add(item.imageUUID);
      return finished.size;
    })
    .toBe(1);
  await client.disconnect();
});

test('the official client searches models', async () => {
  await using server = await startTestServer();
  const client = await connect(server);
  const { results } = (await client.modelSearch({ search: 'tiny' })) as unknown as { results: { air: string }[] };
  expect(results.map(({ air }) => air)).toEqual(['test:small@1']);
  await client.disconnect();
});

test('the official client is told that its key is wrong, and does not wait for its own time limit', async () => {
  await using server = await startTestServer({ apiKey: ['secret-key'] });
  const client = new Runware({
    apiKey: 'wrong',
    url: `${server.url.replace('http', 'ws')}/v1`,
    timeoutDuration: 60_000,
  });
  await expect(client.requestImages(request)).rejects.toMatchObject({ error: { code: 'invalidApiKey' } });
  await client.disconnect();
});
