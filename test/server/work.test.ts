import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, type MockInstance, test, vi } from 'vitest';
import { Batcher, previewsOf } from '../../runtime/batcher.ts';
import { describeModel, type GenerateRequest, type Pixels } from '../../runtime/index.ts';
import { Graph } from '../../runtime/onnx/graph.ts';
import { countRows, type ModelTraits, type RowCounts } from '../../runtime/pipelines/calls.ts';
import { generate as diffusion } from '../../runtime/pipelines/generate.ts';
import { ModelCache } from '../../runtime/pipelines/modelCache.ts';
import { findPreviewDecoder } from '../../runtime/previews/index.ts';
import { workOf } from '../../server/queue/cost.ts';
import { modelsFolder } from '../helpers/goldens.ts';

const side = 64;
const picture: Pixels = { width: side, height: side, data: new Uint8Array(side * side * 3).fill(90) };
const image = (strength: number) => ({ pixels: picture, strength });
const mask = Uint8Array.from({ length: side * side }, (_, at) => (at % side < side / 2 ? 255 : 0));
const tiny = (name: string) => join(modelsFolder, name);
const controlNet = {
  ...{ model: tiny('tiny-sd15-controlnet'), pixels: picture, weight: 1 },
  ...{ startStep: 0, endStep: 4, mode: 'balanced' as const },
};
const seen = (pictures: number) => ({
  model: tiny('tiny-ip-adapter/models/ip-adapter_sd15.safetensors'),
  // Each another one: a picture that was read before is not counted twice by the runtime.
  pictures: Array.from({ length: pictures }, (_, at) => ({
    ...picture,
    data: picture.data.map((value) => value + at),
  })),
  weight: 0.5,
});
const sharp = (every: number) => ({ every, decoder: 'tiny', tinyDecoder: tiny('tiny-taesd') });
const deepCache = { interval: 3, startStep: 0, endStep: 100 };

const base: GenerateRequest = {
  ...{ model: tiny('tiny-sd15'), prompt: 'a red potion', seed: 1n },
  ...{ width: side, height: side, steps: 4, guidanceScale: 5 },
};

describe('what a run asks for is counted as the runtime asks for it', () => {
  const modelCache = new ModelCache({ provider: { name: 'cpu' }, onLoaded: () => {} });
  let spied: MockInstance<Graph['run']>;
  beforeEach(() => {
    spied = vi.spyOn(Graph.prototype, 'run');
  });
  afterEach(() => spied.mockRestore());

  const networks: Record<string, keyof RowCounts> = {
    ...{ unet: 'denoiser', shallow_unet: 'shallow', controlnet: 'controlNet' },
    ...{ vae_encoder: 'encoder', vae_decoder: 'decoder', tiny_decoder: 'preview', image_encoder: 'imagePrompt' },
  };

  test.each<[string, Partial<GenerateRequest>]>([
    ['of text to image', {}],
    ['with PNDM, which asks once more', { scheduler: 'PNDM', guidanceScale: 1 }],
    ['of image to image with Heun, which asks twice a step', { image: image(0.5), scheduler: 'Heun' }],
    ['of image to image at a strength that leaves one step', { image: image(0.01), guidanceScale: 1 }],
    ['of image to image at a strength of 0', { image: image(0), previews: sharp(1) }],
    ['with a sharp preview of each step', { previews: sharp(1) }],
    ['with a sharp preview of every third step and the last', { steps: 7, previews: sharp(3) }],
    ['with sharp previews of image to image with Heun', { image: image(0.5), scheduler: 'Heun', previews: sharp(2) }],
    ['with previews that no network makes', { previews: { every: 1 } }],
    ['of inpainting with any model, from noise', { image: image(1), mask }],
    [
      'of image to image with DeepCache, a refiner and two ControlNets, of which one prevails',
      {
        ...{ steps: 10, image: image(0.7), deepCache, refiner: { model: tiny('tiny-sd15'), startStep: 7 } },
        controlNets: [
          { ...controlNet, startStep: 5, endStep: 8 },
          { ...controlNet, mode: 'controlnet', endStep: 10 },
        ],
      },
    ],
    ['with three pictures through an IP-Adapter', { steps: 1, imagePrompts: [seen(3)] }],
    ['of a model for inpainting', { model: tiny('tiny-sd15-inpaint'), steps: 2, image: image(0.7), mask }],
    ['of one from noise', { model: tiny('tiny-sd15-inpaint'), steps: 1, image: image(1), mask }],
    ['of one without a picture', { model: tiny('tiny-sd15-inpaint'), steps: 1 }],
    ['of a model that edits within a mask', { model: tiny('tiny-pix2pix'), steps: 2, image: image(0.3), mask }],
    [
      'of one that edits without guidance',
      { model: tiny('tiny-pix2pix'), steps: 1, image: image(0.3), guidanceScale: 1 },
    ],
  ])('%s', async (_, changes) => {
    const request = { ...base, ...changes };
    const signal = new AbortController().signal;
    const run = diffusion(modelCache, request);
    const previews = previewsOf(request, await modelCache.previewSource(request), findPreviewDecoder);
    await modelCache.use(() => new Batcher({ rowsPerCall: 1 }).drive({ run, signal, previews, emit: async () => {} }));
    const counted: RowCounts = {
      ...{ denoiser: 0, shallow: 0, controlNet: 0, encoder: 0, decoder: 0 },
      ...{ preview: 0, imagePrompt: 0 },
    };
    for (const { label } of spied.mock.contexts as Graph[]) {
      const network = networks[label.split('/').at(-1)!];
      if (network !== undefined) counted[network]++;
    }
    expect(countRows(request, await describeModel(request.model))).toEqual(counted);
  });
});

describe('work', () => {
  const traits: ModelTraits = {
    family: 'sd',
    input: 'latents',
    guidanceRule: 'above 1',
    defaultScheduler: 'EulerDiscreteScheduler',
  };
  const workFor = (changes: Partial<GenerateRequest>) => workOf({ ...base, steps: 20, ...changes }, traits);

  test('grows with pixels, steps, guidance and ControlNets, and shrinks with strength and DeepCache', () => {
    const plain = workFor({});
    expect(workFor({ width: 2 * side, height: 2 * side })).toBeCloseTo(4 * plain, 6);
    expect(workFor({ steps: 40 })).toBeGreaterThan(1.8 * plain);
    expect(workFor({ guidanceScale: 1 })).toBeLessThan(0.6 * plain);
    expect(workFor({ scheduler: 'Heun' })).toBeGreaterThan(1.8 * plain);
    expect(workFor({ controlNets: [{ ...controlNet, endStep: 20 }] }) / plain).toBeCloseTo(1.4, 1);
    expect(workFor({ image: image(0.5) })).toBeLessThan(0.6 * plain);
    // Measured by `npm run bench:deep`: 0.46 of the denoising.
    expect(workFor({ deepCache }) / plain).toBeCloseTo(0.5, 1);
    // A few steps are not nothing: the picture is decoded all the same.
    expect(workFor({ steps: 1, guidanceScale: 1 })).toBeGreaterThan(0.05 * plain);
    expect(workFor({ image: image(0) })).toBeGreaterThan(0);
    expect(workFor({ previews: sharp(1) }) / plain).toBeCloseTo(1.15, 1);
    // As much as half a row of the denoiser at 512 × 512, whatever the size of the picture.
    const large = { width: 512, height: 512 };
    const row = (workFor({ ...large, steps: 21 }) - workFor(large)) / 2;
    expect((workFor({ ...large, imagePrompts: [seen(2)] }) - workFor(large)) / row).toBeCloseTo(1, 1);
    expect(workFor({ imagePrompts: [seen(2)] }) - plain).toBeCloseTo(row, 2);
  });

  test('of what no scheduler is known for is that of its steps', () => {
    const unknown = { ...traits, defaultScheduler: 'NoSuchScheduler' };
    expect(workOf(base, unknown)).toBe(workOf(base, traits));
  });
});
