import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Batcher } from '../../runtime/batcher.ts';
import { classifierFree } from '../../runtime/families/guidance.ts';
import { type GenerateRequest, type Pixels, type Runtime, startRuntime } from '../../runtime/index.ts';
import { denoise } from '../../runtime/pipelines/denoise.ts';
import { contextOf } from '../../runtime/pipelines/generate.ts';
import { ModelCache } from '../../runtime/pipelines/modelCache.ts';
import type { Branch, Run } from '../../runtime/run.ts';
import { createScheduler, firstCall } from '../../runtime/schedulers/index.ts';
import { createNoise } from '../../runtime/tensors/noise.ts';
import { floats } from '../../runtime/tensors/tensor.ts';
import {
  modelFolder,
  modelsFolder,
  type PictureCase,
  readGoldens,
  readPictureCases,
  relativeError,
  tinyModels,
} from '../helpers/goldens.ts';
import { cpu } from '../helpers/graphs.ts';
import { collect, draw } from './runtimeSuite.ts';

const endToEnd = readPictureCases();

/** Whole pictures by diffusers; the reference says at most 2 of 255 in any channel. */
const tolerance = 2;

describe('pictures equal those of diffusers', () => {
  let runtime: Runtime;
  beforeAll(() => {
    runtime = startRuntime({ provider: 'cpu', threads: 1, log: () => {}, maxModels: 3 });
  });
  afterAll(() => runtime.close());

  test.each(endToEnd.cases.map((each) => [each.model, each.kind, each] as const))(
    '%s, %s',
    async (_model, _kind, each) => {
      const request = await requestOf(each);
      const pixels = await draw(runtime, request);
      const expected = await readPixels(each.image);
      expect([pixels.width, pixels.height]).toEqual([expected.width, expected.height]);
      expect(largestDifference(pixels, expected)).toBeLessThanOrEqual(tolerance);
    },
  );

  test('the last preview of a picture resembles it', async () => {
    const request = await requestOf(endToEnd.cases[0]!);
    const events = await collect(runtime, { ...request, previews: { every: 100 } });
    const previews = events.filter((event) => event.type === 'previewed');
    expect(previews).toHaveLength(1);
    expect(previews[0]).toMatchObject({ pixels: { width: 24, height: 16 } });
    expect(new Set(previews[0]?.pixels.data).size).toBeGreaterThan(20);
  });

  test('an SDXL negative prompt that is absent becomes zeros, not the empty text', async () => {
    const request = await requestOf(endToEnd.cases.find(({ model }) => model === 'tiny-sdxl')!);
    const { negativePrompt: _absent, ...without } = request;
    const [encoded, zeros] = [await draw(runtime, request), await draw(runtime, without)];
    expect(largestDifference(encoded, zeros)).toBeGreaterThan(tolerance);
  });

  test('clip skip and the absence of guidance change the picture', async () => {
    const request = await requestOf(endToEnd.cases[0]!);
    const plain = await draw(runtime, request);
    expect(largestDifference(plain, await draw(runtime, { ...request, clipSkip: 1 }))).toBeGreaterThan(tolerance);
    const single = await draw(runtime, { ...request, guidanceScale: 1 });
    expect(largestDifference(plain, single)).toBeGreaterThan(tolerance);
    const negative = await draw(runtime, { ...request, guidanceScale: 1, negativePrompt: 'blue' });
    expect(negative).toEqual(single);
  });

  test('a scheduler asked for by name is used', async () => {
    const request = await requestOf(endToEnd.cases[0]!);
    const [own, named, other] = [
      await draw(runtime, request),
      await draw(runtime, { ...request, scheduler: 'ddim' }),
      await draw(runtime, { ...request, scheduler: 'DPM++ 2M Karras' }),
    ];
    expect(named).toEqual(own);
    expect(largestDifference(own, other)).toBeGreaterThan(tolerance);
  });
});

/** float32 on both sides, and six digits in the references; some of these trajectories grow to a hundred. */
const trajectoryTolerance = 1e-3;

describe.each(tinyModels)('every step of %s equals that of diffusers', (name) => {
  const goldens = readGoldens(name);
  const xl = name === 'tiny-sdxl';
  const shape = { channels: 4, height: 8, width: 12 };
  const modelCache = new ModelCache({ provider: cpu, onLoaded: () => {} });

  // Once with both branches in one call and once with a call for each.
  test.each([
    [2, 'textToImage'],
    [1, 'textToImage'],
    [2, 'imageToImage'],
  ] as const)('with %i rows in a call, %s', async (rows, kind) => {
    const model = await modelCache.model(modelFolder(name));
    const { steps, guidanceScale, latents: expected } = goldens[kind];
    const scheduler = createScheduler(model.configs.configs.scheduler, undefined, steps);
    let first = 0;
    let latents = Float32Array.from(goldens.textToImage.initialNoise.data, (value) => value * scheduler.initNoiseSigma);
    if (kind === 'imageToImage') {
      const { seedLatents, noise, noised, strength } = goldens.imageToImage;
      first = firstCall(scheduler, steps, strength);
      latents = new Float32Array(
        scheduler.addNoise(Float32Array.from(seedLatents.data), Float32Array.from(noise.data), first),
      );
      expect(relativeError(latents, noised.data)).toBeLessThan(trajectoryTolerance);
    }
    const trajectory: Float32Array[] = [];
    const step = scheduler.step.bind(scheduler);
    scheduler.step = (...args) => {
      const next = step(...args);
      trajectory.push(next.latents);
      return next;
    };
    const noise = createNoise(0n);
    const { prompt, negativePrompt } = goldens.textToImage;
    const request = { prompt, negativePrompt } as GenerateRequest;
    const extras = xl ? { time_ids: floats(Float32Array.from(goldens.timeIds!), [1, 6]) } : {};
    const recordedSize = (branch: Branch): Branch => ({ ...branch, extras: { ...branch.extras, ...extras } });
    async function* run(): Run {
      const loras = { key: '', loras: [] };
      const context = contextOf(modelCache, model, request, true, loras);
      const { positive, negative } = yield* model.configs.family.condition(context);
      const guidance = classifierFree(recordedSize(positive), recordedSize(negative!), guidanceScale);
      const denoiser = await model.network('denoiser').graph();
      yield* denoise({ denoiser, scheduler, first, latents, shape, noise, guidance });
      return { width: 0, height: 0, data: new Uint8Array() };
    }
    const signal = new AbortController().signal;
    await new Batcher({ rowsPerCall: rows }).drive({ run: run(), signal, emit: async () => {} });
    expect(trajectory).toHaveLength(expected.length);
    trajectory.forEach((latents, index) => {
      expect(relativeError(latents, expected[index]!.data)).toBeLessThan(trajectoryTolerance);
    });
  });
});

async function requestOf(each: PictureCase): Promise<GenerateRequest> {
  return {
    model: modelFolder(each.model),
    prompt: each.positivePrompt,
    negativePrompt: each.negativePrompt,
    width: endToEnd.width,
    height: endToEnd.height,
    steps: each.steps,
    guidanceScale: each.CFGScale,
    seed: BigInt(each.seed),
    ...(each.seedImage && { image: { pixels: await readPixels(each.seedImage), strength: each.strength! } }),
  };
}

async function readPixels(file: string): Promise<Pixels> {
  const { data, info } = await sharp(join(modelsFolder, file))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { width: info.width, height: info.height, data: new Uint8Array(data) };
}

function largestDifference(a: Pixels, b: Pixels): number {
  if (a.data.length !== b.data.length) return 255;
  return a.data.reduce((most, value, index) => Math.max(most, Math.abs(value - b.data[index]!)), 0);
}
