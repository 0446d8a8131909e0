import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeModel } from '../../runtime/checkpoints/describe.ts';
import type { GenerateRequest } from '../../runtime/messages.ts';
import { createScheduler } from '../../runtime/schedulers/index.ts';
import { modelsFolder, relativeError } from '../helpers/goldens.ts';
import { readContents, writeSafetensors } from '../helpers/singleFile.ts';
import { drawn, largestDifference, openModels, readPixels, trajectoryOf } from '../helpers/trajectories.ts';
import { readTransformerGoldens, writeTransformerFile } from '../helpers/transformerGoldens.ts';

const goldens = readTransformerGoldens('tiny-z-image');
const modelCache = openModels();
const model = join(modelsFolder, 'tiny-z-image');
const shape = { channels: 16, height: 8, width: 12 };

/** The reference says 5e-3 for trajectories and 2 of 255 for pictures. */
const tolerances = { trajectory: 5e-3, picture: 2 };

const common = { model, seed: 0n, width: 96, height: 64 };

afterAll(async () => {
  const { configs } = await modelCache.model(model);
  for (const component of configs.components)
    await (await (await modelCache.model(model)).network(component).graph()).close();
});

describe('Z-Image takes the steps that diffusers takes', () => {
  test.each([
    ['without guidance', goldens.textToImage, undefined],
    ['with guidance', goldens.textToImageGuided, goldens.textToImageGuided.negativePrompt],
  ] as const)('%s', async (_name, { prompt, steps, guidanceScale, latents: expected }, negativePrompt) => {
    const request: GenerateRequest = {
      ...common,
      prompt,
      steps,
      guidanceScale,
      ...(negativePrompt !== undefined && { negativePrompt }),
    };
    const start = Float32Array.from(goldens.textToImage.initialNoise.data);
    const trajectory = await trajectoryOf(modelCache, request, start, shape);
    expect(trajectory).toHaveLength(expected.length);
    trajectory.forEach((latents, step) => {
      expect(relativeError(latents, expected[step]!.data)).toBeLessThan(tolerances.trajectory);
    });
  });

  test.each([
    ['a limit to the length of what is guided', { guidanceNormalization: 1 }, 'finalWithCfgNormalization1'],
    ['guidance in the first steps only', { guidanceTruncation: 0.3 }, 'finalWithCfgTruncation0.3'],
  ] as const)('with %s', async (_name, more, expected) => {
    const { prompt, negativePrompt, steps, guidanceScale } = goldens.textToImageGuided;
    const request: GenerateRequest = { ...common, prompt, negativePrompt, steps, guidanceScale, ...more };
    const start = Float32Array.from(goldens.textToImage.initialNoise.data);
    const last = (await trajectoryOf(modelCache, request, start, shape)).at(-1)!;
    expect(relativeError(last, goldens.textToImageGuided[expected].data)).toBeLessThan(tolerances.trajectory);
    expect(relativeError(last, goldens.textToImageGuided.latents.at(-1)!.data)).toBeGreaterThan(0.01);
  });

  test('from a picture, beginning with the step that its strength covers in part', async () => {
    const { prompt, steps, guidanceScale, latents: expected, strength, noised } = goldens.imageToImage;
    const request = { ...common, prompt, steps, guidanceScale };
    const start = Float32Array.from(noised.data);
    const trajectory = await trajectoryOf(modelCache, request, start, shape, { strength });
    expect(trajectory).toHaveLength(expected.length);
    trajectory.forEach((latents, step) => {
      expect(relativeError(latents, expected[step]!.data)).toBeLessThan(tolerances.trajectory);
    });
  });
});

describe('whole pictures of Z-Image equal those of diffusers', () => {
  test.each(goldens.pictures)('$image', async (each) => {
    const { prompt, negativePrompt, guidanceScale, steps, width, height, seed } = each;
    const request = { model, prompt, guidanceScale, steps, width, height, seed: BigInt(seed) };
    const pixels = await drawn(modelCache, { ...request, ...(negativePrompt && { negativePrompt }) });
    expect(largestDifference(pixels, await readPixels(each.image))).toBeLessThanOrEqual(tolerances.picture);
  });

  test('from a picture', async () => {
    const { prompt, guidanceScale, steps, strength, seed, source, image } = goldens.imageToImage;
    const request = { ...common, prompt, guidanceScale, steps, seed: BigInt(seed) };
    const pixels = await drawn(modelCache, { ...request, image: { pixels: await readPixels(source), strength } });
    expect(largestDifference(pixels, await readPixels(image))).toBeLessThanOrEqual(tolerances.picture);
  });
});

test('prompts with weights are refused, and sizes that leave no whole patches', async () => {
  const { prompt } = goldens.textToImage;
  const request: GenerateRequest = { ...common, prompt, steps: 1, guidanceScale: 0 };
  await expect(drawn(modelCache, { ...request, promptWeighting: 'compel' })).rejects.toMatchObject({
    code: 'unsupportedParameter',
    parameter: 'promptWeighting',
  });
  await expect(drawn(modelCache, { ...request, guidanceTruncation: -1 })).rejects.toMatchObject({
    parameter: 'guidanceTruncation',
  });
  await expect(drawn(modelCache, { ...request, width: 104 })).rejects.toMatchObject({ parameter: 'width' });
});

describe('files of Z-Image', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'z-image-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const request: GenerateRequest = {
    ...common,
    prompt: goldens.textToImage.prompt,
    steps: 2,
    guidanceScale: 0,
    width: 64,
    height: 64,
  };

  test('a folder is described by its family', async () => {
    expect(await describeModel(model)).toMatchObject({
      available: true,
      family: 'zimage',
      architecture: 'zimage',
      guidanceRule: 'above 0',
      sizeMultiple: 16,
      defaultSteps: 8,
      defaultGuidanceScale: 0,
      latentChannels: 16,
      precision: 'bfloat16',
    });
  });

  test('one file with all parts draws what the folder draws, with a tokenizer beside it', async () => {
    const file = join(folder, 'all.safetensors');
    await writeTransformerFile('tiny-z-image/z_image_all_in_one', file);
    expect((await describeModel(file)).reason).toContain('norm_num_groups');
    await writeFile(`${file}.json`, JSON.stringify({ vae: { norm_num_groups: 4 } }));
    expect((await describeModel(file)).reason).toContain('The tokenizer is missing');
    await cp(join(model, 'tokenizer'), join(folder, 'tokenizer'), { recursive: true });
    expect(await describeModel(file)).toMatchObject({ available: true, family: 'zimage' });
    expect(await drawn(modelCache, { ...request, model: file })).toEqual(await drawn(modelCache, request));
  });

  test('a file with "base" in its name has the schedule and the defaults of the base model', async () => {
    const file = join(folder, 'z-image-base.safetensors');
    await writeTransformerFile('tiny-z-image/z_image_all_in_one', file);
    await writeFile(`${file}.json`, JSON.stringify({ vae: { norm_num_groups: 4 } }));
    await cp(join(model, 'tokenizer'), join(folder, 'tokenizer'), { recursive: true });
    expect(await describeModel(file)).toMatchObject({ available: true, defaultSteps: 28, defaultGuidanceScale: 4 });
    const { configs } = await modelCache.model(file);
    const flow = configs.family.sigmas!(configs, { ...common, prompt: '', steps: 4, guidanceScale: 4 });
    const { timesteps } = createScheduler(configs.configs.scheduler, undefined, 4, flow);
    // 6 s / (1 + 5 s), for s = 1, 3/4, 1/2, 1/4.
    for (const [step, sigma] of [1, 18 / 19, 6 / 7, 2 / 3].entries())
      expect(timesteps[step]! / 1000).toBeCloseTo(sigma, 6);
  });

  test('LoRAs with the names of either layout change a picture alike', async () => {
    const path = (kind: string) => join(modelsFolder, `tiny-z-image-lora-${kind}.safetensors`);
    expect(await describeModel(path('kohya'))).toMatchObject({ kind: 'lora', architecture: 'zimage', available: true });
    const withLora = (kind: string) => drawn(modelCache, { ...request, loras: [{ path: path(kind), weight: 0.75 }] });
    const [without, own, fused] = [
      await drawn(modelCache, request),
      await withLora('peft'),
      await withLora('fused-qkv'),
    ];
    expect(largestDifference(own, without)).toBeGreaterThan(20);
    expect(largestDifference(own, fused)).toBeLessThanOrEqual(1);
  });

  test('positions that do not make up a head are refused', async () => {
    const copy = join(folder, 'axes');
    await cp(model, copy, { recursive: true });
    await writeFile(join(copy, 'latentwire.json'), JSON.stringify({ transformer: { axes_dims: [4, 6, 8] } }));
    expect((await describeModel(copy)).reason).toBe(
      'The transformer cannot be used: its config says axes_dims: 4, 6, 8; they must be even and make up a head of 16 channels.',
    );
  });

  test('a tensor of another size is refused with its name', async () => {
    const copy = join(folder, 'cut');
    await cp(model, copy, { recursive: true });
    const file = join(copy, 'transformer', 'diffusion_pytorch_model.safetensors');
    const contents = await readContents(file);
    const name = 'layers.0.feed_forward.w3.weight';
    const { dtype, bytes } = contents.get(name)!;
    contents.set(name, { dtype, shape: [64, 48], bytes: bytes.subarray(0, bytes.length / 2) });
    await writeSafetensors(file, contents);
    expect((await describeModel(copy)).reason).toBe(
      `The transformer cannot be used: the tensor "${name}" has shape [64, 48], but axis 0 must be 128, as in "layers.0.feed_forward.w1.weight".`,
    );
  });
});
