import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GenerateRequest, type RuntimeOptions, startRuntime } from '../../runtime/index.ts';
import { MemoryBudget } from '../../runtime/process/memoryBudget.ts';
import { Scales } from '../../runtime/process/needs.ts';
import { newRun } from '../../runtime/process/run.ts';
import { noWidths, type Widths, workingBytes } from '../../runtime/process/working.ts';
import { ManualClock } from '../helpers/clock.ts';
import { modelFolder, modelsFolder } from '../helpers/goldens.ts';
import { writeOnnxFolder } from '../helpers/onnxFolder.ts';
import { type ScriptStep, scripted, startScripted, writeZeros } from '../helpers/scriptedRuntime.ts';
import { imageTask, startTestServer } from '../helpers/server.ts';
import { writeGoldenSingleFile } from '../helpers/singleFile.ts';
import { draw } from './runtimeSuite.ts';

let folder: string;
let model: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latentwire-large-'));
  model = join(folder, 'model.safetensors');
  await writeZeros(model, { weight: ['F32', 1000] });
});
afterAll(() => rm(folder, { recursive: true }));

const request = (changes: Partial<GenerateRequest> = {}): GenerateRequest => ({
  model: modelFolder('tiny-sd15'),
  prompt: 'a red potion',
  width: 64,
  height: 64,
  steps: 1,
  guidanceScale: 1,
  seed: 1n,
  ...changes,
});

const mebi = 2 ** 20;

describe('the memory that a picture takes', () => {
  test('is told by the widths of the networks, whatever the layout', async () => {
    const scales = new Scales();
    const widths = async (path: string) => (await scales.weigh(path)).widths;
    // block_out_channels 16, 16 of the UNet; 8, 16 of the autoencoder.
    const known = { denoiser: 32, decoder: 16, encoder: 8 };
    expect(await widths(modelFolder('tiny-sd15'))).toEqual({ ...known, tiny: 0 });
    const single = join(folder, 'single.safetensors');
    await writeGoldenSingleFile('tiny-sd15', single);
    expect(await widths(single)).toMatchObject({ decoder: 16, encoder: 8, denoiser: expect.any(Number) });
    expect((await widths(single)).denoiser).toBeGreaterThan(16);
    const exported = join(folder, 'exported');
    await writeOnnxFolder(modelFolder('tiny-sd15'), exported);
    expect(await widths(exported)).toMatchObject({ decoder: expect.any(Number), encoder: expect.any(Number) });
    expect((await widths(exported)).denoiser).toBeGreaterThan(0);
    expect(await widths(join(modelsFolder, 'tiny-taesd'))).toMatchObject({ denoiser: 0, decoder: 0, tiny: 8 });
    expect(await widths(join(modelsFolder, 'tiny-sd15-controlnet'))).toMatchObject({ denoiser: 16 });
    expect(await widths(join(modelsFolder, 'tiny-sd15-lora.safetensors'))).toEqual(noWidths);
  });

  test('grows with the decoder, guidance, a seed image, and tiny previews', () => {
    const widths = { denoiser: 640, decoder: 256, encoder: 128, tiny: 64 };
    const bytes = (held: readonly Widths[], more = {}, rows = 1) => workingBytes(request(more), held, rows);
    const plain = bytes([{ ...widths, tiny: 0 }]);
    // Stable Diffusion: 5.3 kB a pixel, 1.4 GB for 512².
    expect(plain).toBe(5 * 4 * (640 / 64 + 256) + 48);
    expect(bytes([{ ...widths, tiny: 0 }], {}, 2)).toBe(plain + 200);
    const image = { pixels: { width: 64, height: 64, data: new Uint8Array() }, strength: 1 };
    expect(bytes([{ ...widths, tiny: 0 }], { image })).toBe(plain + 2560);
    expect(bytes([widths])).toBe(plain + 1280);
    // Another autoencoder takes the place of the model's own.
    expect(bytes([widths, { ...noWidths, decoder: 256 }])).toBe(plain + 1280);
  });

  test.each([
    ['tiny-sd15', { guidanceScale: 1 }, 1],
    ['tiny-sd15', { guidanceScale: 5 }, 2],
    ['tiny-pix2pix', { guidanceScale: 5 }, 3],
    // A scale that the network is told is no second branch.
    ['tiny-flux-dev', { guidanceScale: 5 }, 1],
    ['tiny-flux-dev', { trueGuidanceScale: 2, negativePrompt: 'blurry' }, 2],
    ['tiny-flux2-klein', { guidanceScale: 5 }, 1],
    ['tiny-z-image', { guidanceScale: 1 }, 2],
  ])('counts the branches of %s with %j', async (name, more, rows) => {
    const path = join(modelsFolder, name);
    const budget = new MemoryBudget({ maxModels: 1, limitBytes: 1e9 }, () => 0);
    const asked = request({ model: path, ...more });
    const run = newRun(1, asked, new AbortController().signal);
    await budget.weigh(run);
    const weights = run.files.map((file) => run.weights!.get(file)!.widths);
    expect(budget.pixelBytes(run)).toBe(workingBytes(asked, weights, rows));
  });
});

describe('a picture that would not fit into the memory limit', () => {
  test('is refused before anything is loaded, with the largest side that fits; others are drawn', async () => {
    await using runtime = startRuntime({ provider: 'cpu', log: () => {}, threads: 1, memoryLimitBytes: 300e6 });
    const refused = draw(runtime, request({ width: 1024, height: 2048 }));
    await expect(refused).rejects.toMatchObject({
      code: 'invalidParameter',
      parameter: 'height',
      message: expect.stringMatching(
        /^For a picture of 1024×2048 pixels this model needs about \d+ MB of memory, but the/,
      ),
    });
    const max: number = await refused.catch((error) => error.max);
    expect(max % 8).toBe(0);
    expect(max).toBeGreaterThan(256);
    expect(max).toBeLessThan(1024);
    expect(runtime.status()).toMatchObject({ models: [], restarts: 0 });
    await draw(runtime, request());
    expect(runtime.status().setAside).toBeUndefined();
  });

  test('is an error of its parameter on the wire, that says what is allowed', async () => {
    await using runtime = startRuntime({ provider: 'cpu', log: () => {}, threads: 1, memoryLimitBytes: 300e6 });
    await using server = await startTestServer({ runtime, modelsDir: [modelsFolder], defaultModel: 'tiny-sd15' });
    const { status, body } = await server.post([imageTask({ model: 'tiny-sd15', width: 2048, height: 1024 })]);
    expect(status).toBe(400);
    expect(body.errors![0]).toMatchObject({
      code: 'invalidWidth',
      parameter: 'width',
      type: 'integer',
      max: expect.any(Number),
    });
  });
});

test('a picture of more pixels than the server draws is refused when it comes', async () => {
  await using server = await startTestServer({ maxOutputPixels: 100_000 });
  const { status, body } = await server.post([imageTask({ width: 512, height: 1024 })]);
  expect(status).toBe(400);
  expect(body.errors![0]).toMatchObject({
    code: 'invalidHeight',
    parameter: 'height',
    type: 'integer',
    max: 192,
    message: 'A picture of 512×1024 pixels is too large for this server: at most 100000 pixels.',
  });
  const fits = await server.post([imageTask({ width: 512, height: 192 })]);
  expect(fits.body.errors).toBeUndefined();
});

describe('a process that dies of large pictures', () => {
  const killing = (size: number) =>
    scripted(model, [{ event: { type: 'staged', stage: 'decoding' } }, { die: model }], { width: size, height: size });

  test('costs the task and pictures of that size, never the model, and only for a while', async () => {
    const clock = new ManualClock();
    await using runtime = startScripted({}, clock);
    await using server = await startTestServer({ runtime });
    const pump = async (run: Promise<unknown>) => {
      let over = false;
      void run.then(
        () => (over = true),
        () => (over = true),
      );
      while (!over) {
        // Restarts wait by the clock.
        await clock.advance(10);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      return run;
    };
    await expect(pump(draw(runtime, killing(2048)))).rejects.toMatchObject({
      code: 'runtimeLost',
      parameter: 'width',
      message: expect.stringContaining('while drawing 2048×2048 pixels'),
    });
    // The second one is not tried again after its first death, and later ones not at all.
    for (let task = 0; task < 2; task++) {
      await expect(pump(draw(runtime, killing(2048)))).rejects.toMatchObject({
        code: 'invalidParameter',
        parameter: 'width',
        message: expect.stringContaining(`pictures of ${2048 * 2048} pixels and more are blocked for 60 s`),
        retryAfterMs: expect.any(Number),
      });
    }
    expect(runtime.status().restarts).toBe(3);
    const { setAside } = (await (await fetch(`${server.url}/health`)).json()).runtime;
    expect(setAside).toMatchObject([{ fromPixels: 2048 * 2048, retryAfterMs: expect.any(Number) }]);
    // Everybody else is served.
    await pump(draw(runtime, scripted(model, [], { width: 1024, height: 1024 })));
    await clock.advance(60_000);
    await draw(runtime, scripted(model, [], { width: 2048, height: 2048 }));
    expect(runtime.status().setAside).toBeUndefined();
  });
});

describe('a process that an unusually large picture left large', () => {
  const start = async (changes: Partial<RuntimeOptions> = {}) => {
    const clock = new ManualClock();
    const logs: string[] = [];
    const runtime = startScripted({ log: (_level, message) => logs.push(message), ...changes }, clock);
    await runtime.ready();
    await draw(runtime, scripted(model, [{ loaded: 100 * mebi }], { memoryBytes: 150 * mebi }));
    const drawing = (size: number, memoryBytes: number, script: ScriptStep[] = []) =>
      draw(runtime, scripted(model, script, { width: size, height: size, memoryBytes }));
    const replaced = () => logs.filter((message) => message.includes('free the memory')).length;
    return { clock, runtime, drawing, replaced, [Symbol.asyncDispose]: () => runtime.close() };
  };

  test('is replaced when it has had nothing to do for ten seconds, and nothing is lost', async () => {
    await using setup = await start();
    const { clock, runtime, drawing, replaced } = setup;
    const { pid } = runtime.status();
    await drawing(2048, 2_500 * mebi);
    await clock.advance(9_999);
    expect(runtime.status()).toMatchObject({ pid, memoryBytes: 2_500 * mebi });
    await clock.advance(1);
    expect(replaced()).toBe(1);
    // One that comes while the process changes is drawn by the next.
    await drawing(64, 120 * mebi);
    expect(runtime.status()).toMatchObject({ memoryBytes: 120 * mebi, restarts: 0 });
    expect(runtime.status().pid).not.toBe(pid);
  });

  test('is kept while tasks keep coming', async () => {
    await using setup = await start();
    const { clock, runtime, drawing, replaced } = setup;
    const { pid } = runtime.status();
    await drawing(2048, 2_500 * mebi);
    for (let i = 0; i < 5; i++) {
      await clock.advance(9_000);
      await drawing(64, 2_500 * mebi);
    }
    expect(runtime.status().pid).toBe(pid);
    await clock.advance(10_000);
    expect(replaced()).toBe(1);
  });

  test('is kept where it grew no more than a heap does, or where such pictures are usual', async () => {
    await using setup = await start();
    const { clock, drawing, replaced } = setup;
    await drawing(512, 350 * mebi);
    await clock.advance(60_000);
    expect(replaced()).toBe(0);
    for (let i = 0; i < 3; i++) {
      await drawing(512, 400 * mebi);
      await clock.advance(10_000);
    }
    // What leaks is given back too, each time that it has passed the bound.
    expect(replaced()).toBe(1);
  });
});
