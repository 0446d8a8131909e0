import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import {
  type Client,
  type ConnectionStatus,
  connect,
  type Generation,
  type GenerationEvent,
  LatentwireError,
} from '../../clients/typescript/index.ts';
import { RuntimeError } from '../../runtime/index.ts';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { frailLink } from '../helpers/frailLink.ts';
import { describeWithIpAdapter, startTestServer } from '../helpers/server.ts';

const task = { positivePrompt: 'a red fox', width: 128, height: 128, steps: 4 };
/** The first id of the model `tiny` in its models.json. */
const tiny = 'test:small@1';
const quick = { reconnect: { initialDelayMs: 10, maxDelayMs: 50 } };

async function read(generation: Generation): Promise<GenerationEvent[]> {
  const events: GenerationEvent[] = [];
  for await (const event of generation) events.push(event);
  return events;
}

/** Iterates until an event of this kind came; the task goes on. */
async function until(generation: Generation, kind: GenerationEvent['event']): Promise<void> {
  for await (const event of generation) if (event.event === kind) return;
  throw new Error(`The task ended without ${kind}.`);
}

async function untilState(client: Client, state: ConnectionStatus['state']): Promise<ConnectionStatus> {
  for await (const status of client.status) if (status.state === state) return status;
  throw new Error(`The connection ended without being ${state}.`);
}

/** Takes no more than twenty steps: a longer run is under way until it is stopped, however slow the machine. */
const unending = () =>
  createFakeRuntime({ stepMs: 20, hold: ({ step }) => (step === 20 ? new Promise(() => {}) : undefined) });

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'no error',
    (error: unknown) => (error instanceof LatentwireError ? error.code : error),
  );

describe('generate', () => {
  test('tells everything about a task in order, and its previews are images', async () => {
    await using server = await startTestServer({ runtime: createFakeRuntime({ stepMs: 30 }) });
    using client = connect({ url: server.url });
    const events = await read(client.generate({ ...task, seed: 7 }));
    const kinds = events.map(({ event }) => event);
    expect(kinds[0]).toBe('queued');
    expect(kinds.filter((kind) => kind === 'stepped')).toHaveLength(4);
    expect(kinds.indexOf('started')).toBeLessThan(kinds.indexOf('stepped'));
    expect(events.at(-1)).toMatchObject({ event: 'result', resultIndex: 0, seed: 7 });
    // A preview that a newer one has overtaken is dropped by the server, so on a busy machine there may be fewer.
    const previews = events.filter((event) => event.event === 'previewed');
    expect(previews.length).toBeGreaterThan(0);
    expect(previews.map(({ step }) => step)).toEqual(previews.map(({ step }) => step).toSorted((a, b) => a - b));
    expect(previews[0]).toMatchObject({ steps: 4, width: 16, height: 16, mime: 'image/jpeg' });
    expect(await sharp(previews[0]!.image).metadata()).toMatchObject({ format: 'jpeg', width: 16, height: 16 });
  });

  test('gives the result without being iterated', async () => {
    await using server = await startTestServer();
    using client = connect({ url: server.url });
    const result = await client.generate({ ...task, outputFormat: 'PNG' }).result;
    const image = Buffer.from(await (await fetch(result.imageURL)).arrayBuffer());
    expect(await sharp(image).metadata()).toMatchObject({ format: 'png', width: 128, height: 128 });
  });

  test('gives every result of a task for several', async () => {
    await using server = await startTestServer();
    using client = connect({ url: server.url });
    const results = await client.generate({ ...task, numberResults: 3 }).results;
    expect(results.map(({ resultIndex }) => resultIndex)).toEqual([0, 1, 2]);
    expect(new Set(results.map(({ imageUUID }) => imageUUID)).size).toBe(3);
    expect(new Set(results.map(({ seed }) => seed)).size).toBe(3);
  });

  test('keeps many tasks at once apart', async () => {
    await using server = await startTestServer();
    using client = connect({ url: server.url });
    const generations = Array.from({ length: 30 }, (_, seed) => client.generate({ ...task, seed: seed + 1 }));
    const seen = await Promise.all(generations.map(read));
    for (const [i, events] of seen.entries()) {
      expect(new Set(events.map(({ taskUUID }) => taskUUID))).toEqual(new Set([generations[i]!.taskUUID]));
      expect(events.at(-1)).toMatchObject({ event: 'result', seed: i + 1 });
    }
  });

  test('keeps a seed that a number cannot hold', async () => {
    await using server = await startTestServer();
    using client = connect({ url: server.url });
    const seed = 9_007_199_254_740_993n;
    expect((await client.generate({ ...task, seed }).result).seed).toBe(seed);
  });

  test('lets a reader that comes late see the story, with only the newest preview', async () => {
    await using server = await startTestServer();
    using client = connect({ url: server.url });
    const generation = client.generate(task);
    await generation.result;
    const kinds = (await read(generation)).map(({ event }) => event);
    expect(kinds[0]).toBe('queued');
    expect(kinds.filter((kind) => kind === 'previewed')).toHaveLength(1);
    expect(kinds.at(-1)).toBe('result');
  });

  test('sends no previews where none are wanted', async () => {
    await using server = await startTestServer();
    using client = connect({ url: server.url, previews: false });
    const events = await read(client.generate(task));
    expect(events.some(({ event }) => event === 'previewed')).toBe(false);
    expect(events.some(({ event }) => event === 'stepped')).toBe(true);
  });

  test('rejects with the code, the parameter and what is allowed', async () => {
    await using server = await startTestServer();
    using client = connect({ url: server.url });
    const generation = client.generate({ ...task, width: 100 });
    await expect(generation.result).rejects.toBeInstanceOf(LatentwireError);
    await expect(generation.result).rejects.toMatchObject({ code: 'invalidWidth', parameter: 'width' });
    await expect(read(generation)).rejects.toMatchObject({ code: 'invalidWidth' });
    const unknown = client.generate({ ...task, model: 'local:nothing@1' });
    await expect(unknown.result).rejects.toMatchObject({
      code: 'modelNotFound',
      allowed: expect.arrayContaining([tiny]),
    });
  });

  test('rejects when the model fails midway', async () => {
    const runtime = createFakeRuntime({ failWith: new RuntimeError('inferenceError', 'The numbers ran away.') });
    await using server = await startTestServer({ runtime });
    using client = connect({ url: server.url });
    expect(await codeOf(client.generate(task).result)).toBe('inferenceError');
  });
});

describe('cancel', () => {
  test('ends the iteration with a cancelled event and rejects the result', async () => {
    await using server = await startTestServer({ runtime: unending() });
    using client = connect({ url: server.url });
    const generation = client.generate({ ...task, steps: 100 });
    await until(generation, 'stepped');
    await generation.cancel();
    expect((await read(generation)).at(-1)).toMatchObject({ event: 'cancelled', reason: 'cancelled' });
    expect(await codeOf(generation.result)).toBe('taskCancelled');
    // The connection is none the worse.
    await client.generate(task).result;
  });

  test('stops what a signal aborts, and never sends what was aborted before', async () => {
    const runtime = unending();
    await using server = await startTestServer({ runtime });
    using client = connect({ url: server.url });
    const abort = new AbortController();
    const generation = client.generate({ ...task, steps: 100 }, { signal: abort.signal });
    await until(generation, 'stepped');
    abort.abort();
    expect(await codeOf(generation.result)).toBe('taskCancelled');
    expect(await codeOf(client.generate(task, { signal: abort.signal }).result)).toBe('taskCancelled');
    expect(runtime.requests).toHaveLength(1);
  });

  test('cancels by UUID and says which were still unfinished', async () => {
    await using server = await startTestServer({ runtime: unending() });
    using client = connect({ url: server.url });
    const generation = client.generate({ ...task, steps: 100 });
    await until(generation, 'queued');
    expect(await client.cancel(generation.taskUUID, randomUUID())).toEqual([generation.taskUUID]);
    expect(await codeOf(generation.results)).toBe('taskCancelled');
  });

  test('tells a superseded task from a cancelled one', async () => {
    await using server = await startTestServer({ runtime: unending() });
    using client = connect({ url: server.url });
    const older = client.generate({ ...task, steps: 100, lane: 'drawing' });
    await until(older, 'stepped');
    const newer = client.generate({ ...task, lane: 'drawing' });
    expect(await codeOf(older.result)).toBe('taskSuperseded');
    await newer.result;
  });
});

describe('images', () => {
  test('uploads bytes, blobs and data URIs, and starts from them', async () => {
    const runtime = createFakeRuntime();
    await using server = await startTestServer({ runtime });
    using client = connect({ url: server.url });
    const png = await sharp({ create: { width: 300, height: 200, channels: 3, background: 'teal' } })
      .png()
      .toBuffer();
    const uploads = await Promise.all([
      client.upload(new Uint8Array(png)),
      client.upload(new Blob([new Uint8Array(png)], { type: 'image/png' })),
      client.upload(`data:image/png;base64,${png.toString('base64')}`),
    ]);
    for (const { imageUUID, imageURL } of uploads) {
      const image = Buffer.from(await (await fetch(imageURL)).arrayBuffer());
      expect(await sharp(image).metadata()).toMatchObject({ width: 300, height: 200 });
      expect(imageURL).toContain(imageUUID);
    }
    const { imageUUID } = uploads[0]!;
    const again = await client.generate({ ...task, seedImage: imageUUID, strength: 0.5 }).result;
    await client.generate({ ...task, seedImage: again.imageUUID, strength: 0.5 }).result;
    await client.generate({ ...task, seedImage: new Uint8Array(png), strength: 0.5 }).result;
    expect(runtime.requests.map(({ image }) => image?.strength)).toEqual([0.5, 0.5, 0.5]);
  });

  test('refuses bytes that are no image before anything is sent', async () => {
    await using server = await startTestServer();
    using client = connect({ url: server.url });
    expect(await codeOf(client.upload(new Uint8Array([1, 2, 3])))).toBe('invalidImage');
    expect(await codeOf(client.generate({ ...task, seedImage: new Uint8Array([1, 2, 3]) }).result)).toBe(
      'invalidImage',
    );
  });

  test('takes masks and guide images in every form that a seed image has', async () => {
    const runtime = createFakeRuntime();
    await using server = await startTestServer({ runtime });
    using client = connect({ url: server.url });
    const png = async (background: string) =>
      new Uint8Array(
        await sharp({ create: { width: 128, height: 128, channels: 3, background } })
          .png()
          .toBuffer(),
      );
    const [picture, white, guide] = await Promise.all(['teal', 'white', 'red'].map(png));
    const { imageUUID, imageURL } = await client.upload(guide!);
    const guides = [
      guide!,
      new Blob([guide!]),
      `data:image/png;base64,${Buffer.from(guide!).toString('base64')}`,
      imageUUID,
      imageURL,
    ];
    await client.generate({
      ...task,
      seedImage: picture!,
      strength: 0.5,
      maskImage: new Blob([white!]),
      controlNet: guides.map((guideImage, index) => ({
        ...{ model: 'local:depth@1', guideImage, weight: 0.7, controlMode: 'prompt' },
        ...(index === 0 ? { startStep: 2, endStep: 3 } : { startStepPercentage: 50 }),
      })),
    }).result;
    const { image, mask, controlNets } = runtime.requests[0]!;
    expect([...image!.pixels.data.subarray(0, 3)]).toEqual([0, 128, 128]);
    expect(mask).toHaveLength(128 * 128);
    expect(mask!.every((value) => value === 255)).toBe(true);
    expect(controlNets).toHaveLength(guides.length);
    for (const { pixels, weight, mode } of controlNets!) {
      expect([...pixels.data.subarray(0, 3)]).toEqual([255, 0, 0]);
      expect({ weight, mode }).toEqual({ weight: 0.7, mode: 'prompt' });
    }
    expect(controlNets!.map(({ startStep, endStep }) => [startStep, endStep])).toEqual([
      [1, 3],
      ...guides.slice(1).map(() => [2, 4]),
    ]);
  });

  test('takes one picture or several for an image prompt', async () => {
    const runtime = createFakeRuntime();
    await using server = await startTestServer({ runtime, describe: describeWithIpAdapter });
    using client = connect({ url: server.url });
    const guide = await sharp({ create: { width: 128, height: 96, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    const { imageUUID } = await client.upload(guide);
    const ipAdapters = [
      { model: 'local:depth@1', guideImages: [guide, new Blob([new Uint8Array(guide)]), imageUUID], weight: -0.5 },
      { model: 'local:depth@1', guideImage: guide, weightType: 'composition' },
    ];
    await client.generate({ ...task, ipAdapters }).result;
    const red = expect.objectContaining({ width: 128, height: 96 });
    expect(runtime.requests[0]!.imagePrompts).toMatchObject([
      { pictures: [red, red, red], weight: -0.5 },
      { pictures: [red], weight: 1, weightType: 'composition' },
    ]);
    const nothing = [guide, new Uint8Array([1, 2, 3])];
    const refused = client.generate({ ...task, ipAdapters: [{ model: 'local:depth@1', guideImages: nothing }] });
    await expect(refused.result).rejects.toMatchObject({ parameter: 'ipAdapters[0].guideImages[1]' });
  });

  test('extends a picture on the sides asked for', async () => {
    const runtime = createFakeRuntime();
    await using server = await startTestServer({ runtime });
    using client = connect({ url: server.url });
    const seedImage = await sharp({ create: { width: 128, height: 128, channels: 3, background: 'teal' } })
      .png()
      .toBuffer();
    await client.generate({ ...task, width: 256, seedImage, outpaint: { left: 64, right: 64 } }).result;
    const { width, mask } = runtime.requests[0]!;
    expect(width).toBe(256);
    expect([0, 128, 255].map((x) => mask![64 * 256 + x])).toEqual([255, 0, 255]);
  });

  test('names the mask or the guide image that is no image', async () => {
    await using server = await startTestServer();
    using client = connect({ url: server.url });
    const nothing = new Uint8Array([1, 2, 3]);
    const masked = client.generate({ ...task, maskImage: nothing });
    await expect(masked.result).rejects.toMatchObject({ code: 'invalidImage', parameter: 'maskImage' });
    const guided = client.generate({ ...task, controlNet: [{ model: 'local:depth@1', guideImage: nothing }] });
    await expect(guided.result).rejects.toMatchObject({ parameter: 'controlNet[0].guideImage' });
  });
});

describe('models', () => {
  test('of every kind take part in a task', async () => {
    const runtime = createFakeRuntime();
    await using server = await startTestServer({ runtime });
    using client = connect({ url: server.url });
    await client.generate({
      ...task,
      model: 'local:big-sdxl@1',
      positivePrompt: 'a (red:1.2) fox',
      positivePrompt2: 'oil painting',
      promptWeighting: 'sdEmbeds',
      lora: [{ model: 'local:grand-lora-sdxl@1', weight: -0.5 }, { model: 'local:plain-lora@1' }],
      embeddings: [{ model: 'local:grand-embedding-sdxl@1' }],
      vae: 'local:soft-vae@1',
      refiner: { model: 'local:refiner-sdxl@1', startStep: 3 },
    }).result;
    const { prompt2, promptWeighting, loras, embeddings, vae, refiner } = runtime.requests[0]!;
    const named = (file: string) => expect.stringContaining(file);
    expect({ prompt2, promptWeighting, loras, embeddings, vae, refiner }).toEqual({
      prompt2: 'oil painting',
      promptWeighting: 'sdEmbeds',
      loras: [
        { path: named('grand-lora-sdxl'), weight: -0.5 },
        { path: named('plain-lora'), weight: 1 },
      ],
      embeddings: [{ path: named('grand-embedding-sdxl'), weight: 1 }],
      vae: named('soft-vae'),
      refiner: { model: named('refiner-sdxl'), startStep: 2 },
    });
  });

  test('are told by name when the server refuses one', async () => {
    await using server = await startTestServer();
    using client = connect({ url: server.url });
    const { result } = client.generate({ ...task, lora: [{ model: 'local:soft-vae@1' }] });
    await expect(result).rejects.toMatchObject({ parameter: 'lora[0].model' });
  });

  test('tell how far they are loaded', async () => {
    await using server = await startTestServer({ runtime: createFakeRuntime({ loadingMs: 20 }) });
    using client = connect({ url: server.url });
    const loading = (await read(client.generate(task))).filter((event) => event.event === 'loading');
    expect(loading.map(({ component, progress }) => [component, progress])).toEqual([
      ['text_encoder', 0],
      ['unet', 25],
    ]);
    expect((await read(client.generate(task))).some(({ event }) => event === 'loading')).toBe(false);
  });

  test('are listed by category', async () => {
    await using server = await startTestServer();
    using client = connect({ url: server.url });
    const loras = await client.models({ category: 'lora' });
    expect(loras.map(({ air }) => air)).toContain('local:pixel-lora-sd1x@1');
    expect(new Set(loras.map(({ category }) => category))).toEqual(new Set(['lora']));
    const [depth] = await client.models({ category: 'controlnet', search: 'depth' });
    expect(depth).toMatchObject({ air: 'local:depth@1', available: true });
    expect(await client.models({ category: 'lora', architecture: 'sdxl' })).toHaveLength(1);
    const [found] = await client.models('tiny');
    expect(found?.defaultSteps).toBe(4);
  });

  test('are listed however many there are', async () => {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'latentwire-many-'));
    await Promise.all(
      Array.from({ length: 130 }, (_, index) => writeFile(path.join(folder, `lora-${index}.safetensors`), 'x')),
    );
    await using server = await startTestServer({ modelsDir: [folder], defaultModel: 'local:pocket@1' });
    using client = connect({ url: server.url });
    const loras = await client.models({ category: 'lora' });
    expect(new Set(loras.map(({ air }) => air)).size).toBe(130);
    await rm(folder, { recursive: true });
  });

  test('are listed, the broken ones too', async () => {
    await using server = await startTestServer();
    using client = connect({ url: server.url });
    const models = await client.models();
    expect(models.find(({ air }) => air === tiny)).toMatchObject({ available: true, defaultSteps: 4 });
    expect(models.find(({ air }) => air === 'local:broken@1')).toMatchObject({ available: false });
  });
});

describe('the connection', () => {
  test('is told as it changes, and ends with close', async () => {
    await using server = await startTestServer();
    const client = connect({ url: server.url });
    const states: string[] = [];
    const told = (async () => {
      for await (const { state } of client.status) states.push(state);
    })();
    await client.ready;
    client.close();
    await told;
    expect(states).toEqual(['connecting', 'open', 'closed']);
    expect(await codeOf(client.generate(task).result)).toBe('connectionClosed');
  });

  test('is given up at once where no server answers, unless asked to wait for one', async () => {
    await using server = await startTestServer();
    await using link = await frailLink(server.url);
    link.down();
    using impatient = connect({ url: link.url, ...quick });
    expect(await codeOf(impatient.ready)).toBe('connectionFailed');
    using patient = connect({ url: link.url, ...quick, waitForServer: true });
    const generation = patient.generate(task);
    expect(await untilState(patient, 'reconnecting')).toMatchObject({ attempt: 1 });
    link.mend();
    await generation.result;
  });

  test('is refused with a wrong key, and not tried again', async () => {
    await using server = await startTestServer({ apiKey: ['right'] });
    using wrong = connect({ url: server.url, apiKey: 'wrong', waitForServer: true, ...quick });
    expect(await codeOf(wrong.ready)).toBe('invalidApiKey');
    expect(wrong.state).toMatchObject({ state: 'closed', error: { code: 'invalidApiKey' } });
    using right = connect({ url: server.url, apiKey: 'right' });
    await right.generate(task).result;
  });

  test('comes back after a loss, and the result of the task under way arrives once', async () => {
    let goOn = () => {};
    const back = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    const runtime = createFakeRuntime({ hold: ({ step }) => (step === 10 ? back : undefined) });
    await using server = await startTestServer({ runtime });
    await using link = await frailLink(server.url);
    using client = connect({ url: link.url, ...quick });
    const generation = client.generate({ ...task, steps: 20 });
    const events = read(generation);
    await until(generation, 'stepped');
    link.cut();
    await untilState(client, 'reconnecting');
    expect(await untilState(client, 'open')).toMatchObject({ resumed: true });
    goOn();
    const results = (await events).filter(({ event }) => event === 'result');
    expect(results).toHaveLength(1);
    expect((await events).filter(({ event }) => event === 'stepped').length).toBeGreaterThan(2);
    // The server went on with the same run.
    expect(runtime.requests).toHaveLength(1);
  });

  test('delivers what was finished while nobody was there', async () => {
    const runtime = createFakeRuntime({ stepMs: 5 });
    await using server = await startTestServer({ runtime });
    await using link = await frailLink(server.url);
    using client = connect({ url: link.url, ...quick });
    const generation = client.generate({ ...task, steps: 8 });
    await until(generation, 'started');
    link.down();
    await expect.poll(() => runtime.stepsTaken).toEqual([8]);
    link.mend();
    await generation.result;
    expect(runtime.requests).toHaveLength(1);
  });

  test('survives many losses with many tasks', async () => {
    const runtime = createFakeRuntime({ stepMs: 3 });
    await using server = await startTestServer({ runtime });
    await using link = await frailLink(server.url);
    using client = connect({ url: link.url, reconnect: { initialDelayMs: 2, maxDelayMs: 5 } });
    const generations = Array.from({ length: 20 }, (_, seed) => client.generate({ ...task, seed: seed + 1 }));
    const all = Promise.all(generations.map(read));
    for (let i = 0; i < 8; i++) {
      await untilState(client, 'open');
      await new Promise((resolve) => setTimeout(resolve, 25));
      link.cut();
    }
    for (const [i, events] of (await all).entries()) {
      expect(events.filter(({ event }) => event === 'result')).toMatchObject([{ seed: i + 1 }]);
    }
    expect(runtime.requests).toHaveLength(20);
  });

  test('notices by a ping that the link has fallen silent', async () => {
    await using server = await startTestServer();
    await using link = await frailLink(server.url);
    using client = connect({ url: link.url, ...quick, pingIntervalMs: 40, pongTimeoutMs: 1_500 });
    await client.ready;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(link.connections).toBe(1);
    link.fallSilent();
    const generation = client.generate(task);
    await untilState(client, 'reconnecting');
    await generation.result;
    expect(link.connections).toBe(2);
  });

  test('cancels at once while it is lost, and tells the server when it is back', async () => {
    const runtime = unending();
    await using server = await startTestServer({ runtime });
    await using link = await frailLink(server.url);
    using client = connect({ url: link.url, ...quick });
    const generation = client.generate({ ...task, steps: 100 });
    await until(generation, 'stepped');
    link.down();
    await untilState(client, 'reconnecting');
    await generation.cancel();
    expect(await codeOf(generation.result)).toBe('taskCancelled');
    link.mend();
    await untilState(client, 'open');
    await expect.poll(() => runtime.aborted).toEqual([0]);
  });

  test('fails unfinished tasks where it may not come back', async () => {
    await using server = await startTestServer({ runtime: unending() });
    await using link = await frailLink(server.url);
    using client = connect({ url: link.url, reconnect: false });
    const generation = client.generate({ ...task, steps: 100 });
    await until(generation, 'stepped');
    link.cut();
    expect(await codeOf(generation.result)).toBe('connectionFailed');
  });
});
