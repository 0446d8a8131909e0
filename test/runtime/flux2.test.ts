import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { describeModel } from '../../runtime/checkpoints/describe.ts';
import { flux2Mu } from '../../runtime/families/flux2.ts';
import { flux2LatentRgb } from '../../runtime/families/latentRgb.ts';
import { readStoredTensors } from '../../runtime/files/safetensors.ts';
import { readValues } from '../../runtime/files/values.ts';
import type { GenerateRequest } from '../../runtime/messages.ts';
import { encodeImage } from '../../runtime/pipelines/images.ts';
import { linearPreview } from '../../runtime/previews/linear.ts';
import type { LatentShape } from '../../runtime/run.ts';
import { modelsFolder, type Recorded, relativeError } from '../helpers/goldens.ts';
import { type Content, readContents, writeSafetensors } from '../helpers/singleFile.ts';
import { drawn, drive, largestDifference, openModels, readPixels, trajectoryOf } from '../helpers/trajectories.ts';
import {
  type Flux2Model,
  readTransformerGoldens,
  turnedRows,
  writeTransformerFile,
} from '../helpers/transformerGoldens.ts';

const modelCache = openModels();
const models: Flux2Model[] = ['tiny-flux2-klein', 'tiny-flux2-klein-base'];
const pathOf = (model: Flux2Model) => join(modelsFolder, model);
const shape = { channels: 128, height: 4, width: 6 };

/** The reference says 5e-3 for trajectories and 2 of 255 for pictures. */
const tolerances = { trajectory: 5e-3, picture: 2 };

afterAll(async () => {
  for (const name of models) {
    const model = await modelCache.model(pathOf(name));
    for (const component of model.configs.components) await (await model.network(component).graph()).close();
  }
});

describe.each(models)('%s takes the steps that diffusers takes', (name) => {
  const goldens = readTransformerGoldens(name);
  const { textToImage, withReference } = goldens;
  const start = () => Float32Array.from(textToImage.initialNoise.data);
  const common = { model: pathOf(name), seed: 0n, width: 96, height: 64, prompt: textToImage.prompt };
  const expectStep = (latents: Float32Array | undefined, expected: Recorded | undefined) =>
    expect(relativeError(latents!, turnedRows(expected!, shape.height * shape.width))).toBeLessThan(
      tolerances.trajectory,
    );

  test('from text, whatever the negative prompt', async () => {
    const { steps, guidanceScale, latents: expected } = textToImage;
    const request: GenerateRequest = { ...common, steps, guidanceScale, negativePrompt: 'blurry' };
    const trajectory = await trajectoryOf(modelCache, request, start(), shape);
    expect(trajectory).toHaveLength(expected.length);
    for (const [step, latents] of trajectory.entries()) expectStep(latents, expected[step]);
  });

  test('with a reference picture', async () => {
    const { steps, guidanceScale, latents: expected, referenceTokens, referenceIds, stepsRecorded } = withReference;
    const [, rows, columns] = referenceIds.at(-1)!.map((last) => last + 1) as [number, number, number];
    const latents = turnedRows(referenceTokens, referenceIds.length);
    const references = [{ latents, shape: { channels: 128, height: rows, width: columns } }];
    const request: GenerateRequest = { ...common, steps, guidanceScale };
    const trajectory = await trajectoryOf(modelCache, request, start(), shape, { references });
    for (const [index, step] of stepsRecorded.entries()) expectStep(trajectory[step], expected[index]);
  });

  test('the dynamic shift grows with the picture and changes with the steps', () => {
    for (const { imageTokens, steps, mu } of goldens.sigmas) expect(flux2Mu(imageTokens, steps)).toBeCloseTo(mu, 5);
  });
});

describe.each(models)('whole pictures of %s equal those of diffusers', (name) => {
  const goldens = readTransformerGoldens(name);

  test.each(goldens.pictures)('$image', async (each) => {
    const { prompt, guidanceScale, steps, width, height, seed, references = [] } = each;
    const request = { model: pathOf(name), prompt, guidanceScale, steps, width, height, seed: BigInt(seed) };
    const pictures = await Promise.all(references.map(readPixels));
    const pixels = await drawn(modelCache, { ...request, ...(pictures.length > 0 && { references: pictures }) });
    expect(largestDifference(pixels, await readPixels(each.image))).toBeLessThanOrEqual(tolerances.picture);
  });

  test('a run without references draws the same after one with them', async () => {
    const { prompt, guidanceScale, steps, width, height, seed, image } = goldens.pictures[0]!;
    const request = { model: pathOf(name), prompt, guidanceScale, steps, width, height, seed: BigInt(seed) };
    const denoiser = await (await modelCache.model(pathOf(name))).network('denoiser').graph();
    expect(denoiser.takes('reference')).toBe(true);
    expect(largestDifference(await drawn(modelCache, request), await readPixels(image))).toBeLessThanOrEqual(2);
  });
});

test.each(models)('two reference pictures lead %s where they lead with diffusers', async (name) => {
  const { withTwoReferences, textToImage } = readTransformerGoldens(name);
  const { steps, guidanceScale, finalDenormalizedUnpatchified: expected } = withTwoReferences;
  const model = await modelCache.model(pathOf(name));
  const encoder = await model.network('vae_encoder').graph();
  const references: { latents: Float32Array; shape: LatentShape }[] = [];
  for (const file of withTwoReferences.references) {
    const pixels = model.configs.family.prepareReference!(await readPixels(file), model.configs);
    const grid = { channels: 128, height: pixels.height / 16, width: pixels.width / 16 };
    await drive(
      (async function* () {
        references.push({ latents: yield* encodeImage({ encoder, pixels, shape: grid }), shape: grid });
        return pixels;
      })(),
    );
  }
  expect(references.map(({ shape: { height, width } }) => [height, width])).toEqual([
    [4, 5],
    [5, 4],
  ]);
  const request = {
    model: pathOf(name),
    seed: 0n,
    width: 96,
    height: 64,
    prompt: textToImage.prompt,
    steps,
    guidanceScale,
  };
  const start = Float32Array.from(textToImage.initialNoise.data);
  const [, last] = await trajectoryOf(modelCache, request, start, shape, { references });
  expect(relativeError(await unpatchified(name, last!), expected.data)).toBeLessThan(tolerances.trajectory);
});

/** Normalized patches [128, 4, 6] as the latents [32, 8, 12] that the autoencoder's first layer is given. */
async function unpatchified(name: Flux2Model, patches: Float32Array): Promise<Float32Array> {
  const tensors = await readStoredTensors(join(pathOf(name), 'vae', 'diffusion_pytorch_model.safetensors'));
  const [mean, variance] = [
    await readValues(tensors.get('bn.running_mean')!),
    await readValues(tensors.get('bn.running_var')!),
  ];
  const latents = new Float32Array(patches.length);
  for (const [at, value] of patches.entries()) {
    const [channel, y, x] = [Math.floor(at / 24), Math.floor((at % 24) / 6), at % 6];
    const [row, column] = [2 * y + (Math.floor(channel / 2) % 2), 2 * x + (channel % 2)];
    const denormalized = value * Math.sqrt(variance[channel]! + 1e-4) + mean[channel]!;
    latents[Math.floor(channel / 4) * 96 + row * 12 + column] = denormalized;
  }
  return latents;
}

test('a preview shows the latents before they are normalized and put into patches', async () => {
  const name = 'tiny-flux2-klein';
  const { initialNoise } = readTransformerGoldens(name).textToImage;
  const patches = Float32Array.from(initialNoise.data);
  const preview = linearPreview(patches, 6, 4, await (await modelCache.model(pathOf(name))).latentRgb());
  const whole = linearPreview(await unpatchified(name, patches), 12, 8, flux2LatentRgb);
  for (const [at, value] of preview.data.entries()) {
    const [pixel, color] = [Math.floor(at / 3), at % 3];
    const [x, y] = [2 * (pixel % 6), 2 * Math.floor(pixel / 6)];
    const four = [0, 1, 12, 13].map((next) => whole.data[(y * 12 + x + next) * 3 + color]!);
    // Values that are cut at black or white have another mean.
    if (four.some((each) => each === 0 || each === 255)) continue;
    expect(Math.abs(value - four.reduce((sum, each) => sum + each) / 4)).toBeLessThan(1.1);
  }
});

test.each([
  ['vae', 'bn.running_mean', undefined, 'have no tensor "bn.running_mean"'],
  ['vae', 'bn.running_var', 64, 'The tensor "bn.running_var" has 64 values, not the expected 128.'],
  ['transformer', 'single_stream_modulation.linear.weight', 142, 'has 142 rows, which is not a multiple of 3'],
  ['transformer', 'x_embedder.weight', 47, 'do not match'],
] as const)('a %s whose %s is damaged is refused', async (part, name, rows, reason) => {
  const path = await mkdtemp(join(tmpdir(), 'flux2-'));
  onTestFinished(() => rm(path, { recursive: true }));
  await cp(pathOf('tiny-flux2-klein'), path, { recursive: true });
  const file = join(path, part, 'diffusion_pytorch_model.safetensors');
  const contents = await readContents(file);
  const { dtype, shape: stored, bytes } = contents.get(name)!;
  contents.delete(name);
  if (rows !== undefined) {
    const kept = bytes.subarray(0, (bytes.length / stored[0]!) * rows);
    contents.set(name, { dtype, shape: [rows, ...stored.slice(1)], bytes: kept });
  }
  await writeSafetensors(file, contents);
  const description = await describeModel(path);
  expect(description.available).toBe(false);
  expect(description.reason).toContain(reason);
});

test('a reference picture that is too small is refused', async () => {
  const { prompt } = readTransformerGoldens('tiny-flux2-klein').textToImage;
  const request = {
    model: pathOf('tiny-flux2-klein'),
    seed: 0n,
    width: 64,
    height: 64,
    prompt,
    steps: 1,
    guidanceScale: 1,
  };
  const references = [{ width: 63, height: 90, data: new Uint8Array(63 * 90 * 3) }];
  await expect(drawn(modelCache, { ...request, guidanceNormalization: 1 })).rejects.toMatchObject({
    code: 'unsupportedParameter',
    parameter: 'guidanceNormalization',
  });
  await expect(drawn(modelCache, { ...request, references })).rejects.toMatchObject({
    code: 'invalidParameter',
    parameter: 'references',
  });
});

describe('files of FLUX.2', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flux2-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  const request: GenerateRequest = {
    model: pathOf('tiny-flux2-klein'),
    prompt: 'a fox',
    seed: 3n,
    width: 64,
    height: 64,
    steps: 2,
    guidanceScale: 1,
  };

  test('one file with all parts draws what the folder draws; its name tells the base model', async () => {
    const parts = [
      ['diffusion_models/flux-2-klein', 'model.diffusion_model.'],
      ['text_encoders/qwen_3_4b', 'text_encoders.qwen3_4b.transformer.'],
      ['vae/flux2-vae', 'vae.'],
    ] as const;
    const contents: [string, Content][] = [];
    for (const [name, prefix] of parts) {
      const part = join(folder, 'part');
      await writeTransformerFile(`tiny-flux2-klein/${name}`, part);
      for (const [tensor, content] of await readContents(part)) contents.push([prefix + tensor, content]);
    }
    await rm(join(folder, 'part'));
    await cp(join(pathOf('tiny-flux2-klein'), 'tokenizer'), join(folder, 'tokenizer'), { recursive: true });
    for (const [name, guidanceRule] of [
      ['klein.safetensors', 'never'],
      ['klein-base.safetensors', 'above 1'],
    ] as const) {
      const file = join(folder, name);
      await writeSafetensors(file, contents);
      await writeFile(`${file}.json`, JSON.stringify({ vae: { norm_num_groups: 4 } }));
      expect(await describeModel(file)).toMatchObject({ available: true, family: 'flux2', guidanceRule });
    }
    const file = join(folder, 'klein.safetensors');
    expect(await drawn(modelCache, { ...request, model: file })).toEqual(await drawn(modelCache, request));
  });

  test('separate files are put together, and an encoder of another model is refused', async () => {
    const own = join(folder, 'separate');
    for (const part of ['diffusion_models', 'text_encoders', 'vae']) await mkdir(join(own, part), { recursive: true });
    await cp(join(pathOf('tiny-flux2-klein'), 'tokenizer'), join(own, 'tokenizer'), { recursive: true });
    const file = join(own, 'diffusion_models', 'flux-2-klein.safetensors');
    const encoder = join(own, 'text_encoders', 'qwen_3_4b.safetensors');
    await writeTransformerFile('tiny-flux2-klein/diffusion_models/flux-2-klein', file);
    await writeTransformerFile('tiny-z-image/text_encoders/qwen_3_4b', encoder);
    await writeTransformerFile('tiny-flux2-klein/vae/flux2-vae', join(own, 'vae', 'flux2-vae.safetensors'));
    await writeFile(`${file}.json`, JSON.stringify({ vae: { norm_num_groups: 4 } }));
    expect((await describeModel(file)).reason).toContain('its states have 32 channels, but the transformer takes 24');
    await writeTransformerFile('tiny-flux2-klein/text_encoders/qwen_3_4b', encoder);
    expect(await describeModel(file)).toMatchObject({ available: true, family: 'flux2' });
    expect(await drawn(modelCache, { ...request, model: file })).toEqual(await drawn(modelCache, request));
  });

  test('LoRAs with the names of either layout change a picture alike', async () => {
    const path = (kind: string) => join(modelsFolder, `tiny-flux2-klein-lora-${kind}.safetensors`);
    for (const kind of ['peft', 'kohya', 'diffusion-model']) {
      expect(await describeModel(path(kind))).toMatchObject({ kind: 'lora', architecture: 'flux2klein' });
    }
    const withLora = (kind: string) => drawn(modelCache, { ...request, loras: [{ path: path(kind), weight: 0.75 }] });
    const [without, own, fused] = [
      await drawn(modelCache, request),
      await withLora('peft'),
      await withLora('diffusion-model'),
    ];
    expect(largestDifference(own, without)).toBeGreaterThan(5);
    expect(largestDifference(own, fused)).toBeLessThanOrEqual(1);
  });
});

test('folders are described by their family, and guided only where they are not distilled', async () => {
  const description = await describeModel(pathOf('tiny-flux2-klein'));
  expect(description.reason).toBeUndefined();
  expect(description).toMatchObject({
    available: true,
    family: 'flux2',
    architecture: 'flux2klein',
    guidanceRule: 'never',
    sizeMultiple: 16,
    mostReferences: 10,
    defaultSteps: 4,
    defaultGuidanceScale: 1,
    latentChannels: 32,
  });
  expect(await describeModel(pathOf('tiny-flux2-klein-base'))).toMatchObject({
    available: true,
    guidanceRule: 'above 1',
    defaultSteps: 50,
    defaultGuidanceScale: 4,
  });
});
