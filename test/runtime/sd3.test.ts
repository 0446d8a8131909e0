import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeModel } from '../../runtime/checkpoints/describe.ts';
import type { GenerateRequest } from '../../runtime/messages.ts';
import { contextOf } from '../../runtime/pipelines/generate.ts';
import type { Run } from '../../runtime/run.ts';
import { createScheduler } from '../../runtime/schedulers/index.ts';
import { modelsFolder, type Recorded, relativeError } from '../helpers/goldens.ts';
import { readSD3Goldens } from '../helpers/sd3Goldens.ts';
import { readContents, writeSafetensors } from '../helpers/singleFile.ts';
import { drawn, drive, largestDifference, openModels, readPixels, trajectoryOf } from '../helpers/trajectories.ts';
import { writeTransformerFile } from '../helpers/transformerGoldens.ts';

const goldens = readSD3Goldens();
const modelCache = openModels();
const model = join(modelsFolder, 'tiny-sd3');
const shape = { channels: 16, height: 6, width: 8 };

/** The reference says 1e-3 for a call, 5e-3 for trajectories and 2 of 255 for pictures. */
const tolerances = { call: 1e-3, trajectory: 5e-3, picture: 2 };

/** Latents of the recorded trajectories are 6 × 8. */
const common = { model, seed: 0n, width: 64, height: 48, maxSequenceLength: goldens.maxSequenceLength };

let folder: string;
let withoutT5: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd3-'));
  withoutT5 = join(folder, 'without-t5');
  await cp(model, withoutT5, { recursive: true });
  const index = join(withoutT5, 'model_index.json');
  const named = JSON.parse(await readFile(index, 'utf8')) as object;
  await writeFile(index, JSON.stringify({ ...named, text_encoder_3: [null, null], tokenizer_3: [null, null] }));
  for (const part of ['text_encoder_3', 'tokenizer_3']) await rm(join(withoutT5, part), { recursive: true });
});
afterAll(async () => {
  for (const path of [model, withoutT5]) {
    const opened = await modelCache.model(path);
    for (const component of opened.configs.components) await (await opened.network(component).graph()).close();
  }
  await rm(folder, { recursive: true });
});

test('two CLIP encoders and T5 make one sequence of rows and one vector', async () => {
  const { prompt, negativePrompt, promptEmbeds, pooled, negativePooled, negativeFirstRows, negativeT5Rows } =
    goldens.conditioning;
  const opened = await modelCache.model(model);
  const request: GenerateRequest = { ...common, prompt, negativePrompt, steps: 1, guidanceScale: 4.5 };
  const found: { rows: Float32Array; pooled: Float32Array }[] = [];
  async function* run(): Run {
    const context = contextOf(modelCache, opened, request, true, { key: '', loras: [] });
    const { positive, negative } = yield* opened.configs.family.condition(context);
    for (const branch of [positive, negative!]) {
      const { data } = branch.extras.pooled_projections!;
      found.push({ rows: branch.embeddings.data, pooled: data as Float32Array });
    }
    return { width: 0, height: 0, data: new Uint8Array() };
  }
  await drive(run());
  const [positive, negative] = found;
  const within = (actual: Float32Array, expected: Recorded) =>
    expect(relativeError(actual, expected.data)).toBeLessThan(tolerances.call);
  within(positive!.rows, promptEmbeds);
  within(positive!.pooled, pooled);
  within(negative!.pooled, negativePooled);
  const width = promptEmbeds.shape[2]!;
  within(negative!.rows.subarray(0, 4 * width), negativeFirstRows);
  within(negative!.rows.subarray(77 * width, 81 * width), negativeT5Rows);
});

describe('Stable Diffusion 3.5 takes the steps that diffusers takes', () => {
  test.each([
    ['with T5', goldens.textToImage, () => model],
    ['without T5, whose rows are zeros', goldens.textToImageWithoutT5, () => withoutT5],
  ] as const)('%s', async (_name, run, path) => {
    const { prompt, negativePrompt, steps, guidance, latents: expected, initialNoise, sigmas } = run;
    const request: GenerateRequest = {
      ...common,
      model: path(),
      prompt,
      negativePrompt,
      steps,
      guidanceScale: guidance,
    };
    const { configs } = await modelCache.model(request.model);
    const { timesteps } = createScheduler(configs.configs.scheduler, undefined, steps, {});
    expect(relativeError([...timesteps.map((time) => time / 1000), 0], sigmas)).toBeLessThan(1e-5);
    const trajectory = await trajectoryOf(modelCache, request, Float32Array.from(initialNoise.data), shape);
    expect(trajectory).toHaveLength(expected.length);
    trajectory.forEach((latents, step) => {
      expect(relativeError(latents, expected[step]!.data)).toBeLessThan(tolerances.trajectory);
    });
  });
});

interface PictureCase {
  image: string;
  width: number;
  height: number;
  positivePrompt: string;
  negativePrompt?: string;
  seed: number;
  steps: number;
  CFGScale: number;
  maxSequenceLength: number;
  withoutT5?: boolean;
  seedImage?: string;
  strength?: number;
}

const { cases } = JSON.parse(await readFile(join(modelsFolder, 'end-to-end-sd3.json'), 'utf8')) as {
  cases: PictureCase[];
};

test.each(cases)('a whole picture equals that of diffusers: $image', async (each) => {
  const { width, height, steps, seed, maxSequenceLength, negativePrompt, seedImage } = each;
  const pixels = await drawn(modelCache, {
    model: each.withoutT5 ? withoutT5 : model,
    prompt: each.positivePrompt,
    ...(negativePrompt !== undefined && { negativePrompt }),
    ...{ width, height, steps, maxSequenceLength, seed: BigInt(seed), guidanceScale: each.CFGScale },
    ...(seedImage !== undefined && { image: { pixels: await readPixels(seedImage), strength: each.strength! } }),
  });
  expect(largestDifference(pixels, await readPixels(each.image))).toBeLessThanOrEqual(tolerances.picture);
});

test.each([
  ['promptWeighting', { promptWeighting: 'compel' }],
  ['maxSequenceLength', { maxSequenceLength: 513 }],
  ['clipSkip', { clipSkip: 1 }],
  ['width', { width: 400 }],
  ['height', { height: 56 }],
  ['trueGuidanceScale', { trueGuidanceScale: 2 }],
] as const)('%s is refused where it does not fit', async (parameter, more) => {
  const request: GenerateRequest = { ...common, prompt: 'a cat', steps: 1, guidanceScale: 1, ...more };
  await expect(drawn(modelCache, request)).rejects.toMatchObject({ parameter });
});

describe('files of Stable Diffusion 3.5', () => {
  const request: GenerateRequest = { ...common, prompt: goldens.prompts[0]!, steps: 2, guidanceScale: 4.5 };
  // What shapes do not tell of so small a model.
  const corrections = {
    vae: { norm_num_groups: 4 },
    text_encoder: { num_attention_heads: 3 },
    text_encoder_2: { num_attention_heads: 4 },
  };

  test('a folder is described by its family', async () => {
    expect(await describeModel(model)).toMatchObject({
      available: true,
      family: 'sd3',
      architecture: 'sd3',
      guidanceRule: 'above 1',
      sizeMultiple: 16,
      defaultGuidanceScale: 4.5,
      latentChannels: 16,
    });
    expect(await describeModel(withoutT5)).toMatchObject({ available: true, family: 'sd3' });
  });

  test('one file with all parts draws what the folder draws', async () => {
    const file = join(folder, 'all.safetensors');
    await writeTransformerFile('tiny-sd3/all', file);
    await writeFile(`${file}.json`, JSON.stringify(corrections));
    for (const name of ['tokenizer', 'tokenizer_2', 'tokenizer_3']) {
      await cp(join(model, name), join(folder, name), { recursive: true });
    }
    expect(await describeModel(file)).toMatchObject({ available: true, family: 'sd3', defaultSteps: 28 });
    expect(await drawn(modelCache, { ...request, model: file })).toEqual(await drawn(modelCache, request));
  });

  test('files of text encoders draw what the folder draws, and two CLIP encoders of few layers are told by name', async () => {
    const models = join(folder, 'separate');
    const all = join(models, 'all.safetensors');
    await mkdir(join(models, 'text_encoders'), { recursive: true });
    await mkdir(join(models, 'diffusion_models'));
    await writeTransformerFile('tiny-sd3/all', all);
    const contents = [...(await readContents(all))];
    await rm(all);
    for (const name of ['clip_g', 'clip_l', 't5xxl']) {
      const prefix = `text_encoders.${name}.transformer.`;
      const own = contents.filter(([tensor]) => tensor.startsWith(prefix));
      const stripped = own.map(([tensor, content]) => [tensor.slice(prefix.length), content] as const);
      await writeSafetensors(join(models, 'text_encoders', `${name}.safetensors`), stripped);
    }
    const file = join(models, 'diffusion_models', 'sd3.5.safetensors');
    const others = contents.filter(([tensor]) => !tensor.startsWith('text_encoders.'));
    await writeSafetensors(file, others);
    await writeFile(`${file}.json`, JSON.stringify(corrections));
    for (const name of ['tokenizer', 'tokenizer_2', 'tokenizer_3']) {
      await cp(join(model, name), join(models, name), { recursive: true });
    }
    expect(await describeModel(file)).toMatchObject({ available: true, family: 'sd3' });
    expect(await drawn(modelCache, { ...request, model: file })).toEqual(await drawn(modelCache, request));
  });

  test('an autoencoder of its own is told from that of FLUX.1 by its name, and is not looked for where the file holds one', async () => {
    const models = join(folder, 'autoencoders');
    await mkdir(join(models, 'vae'), { recursive: true });
    const whole = join(models, 'whole.safetensors');
    await writeTransformerFile('tiny-sd3/all', whole);
    const contents = [...(await readContents(whole))];
    const prefix = 'first_stage_model.';
    const own = contents.filter(([name]) => name.startsWith(prefix));
    const stripped = own.map(([name, content]) => [name.slice(prefix.length), content] as const);
    for (const name of ['ae', 'sd3_vae']) await writeSafetensors(join(models, 'vae', `${name}.safetensors`), stripped);
    const without = join(models, 'without.safetensors');
    const others = contents.filter(([name]) => !name.startsWith(prefix));
    await writeSafetensors(without, others);
    for (const file of [whole, without]) await writeFile(`${file}.json`, JSON.stringify(corrections));
    for (const name of ['tokenizer', 'tokenizer_2', 'tokenizer_3']) {
      await cp(join(model, name), join(models, name), { recursive: true });
    }
    const described = await describeModel(whole);
    expect([described.available, described.reason]).toEqual([true, undefined]);
    expect((await describeModel(without)).reason).toBe('It uses the files sd3_vae.safetensors.');
  });

  test('a tensor of another size is refused with its name', async () => {
    const copy = join(folder, 'cut');
    await cp(model, copy, { recursive: true });
    const file = join(copy, 'transformer', 'diffusion_pytorch_model.safetensors');
    const contents = await readContents(file);
    const name = 'transformer_blocks.1.ff.net.2.weight';
    const { dtype, bytes } = contents.get(name)!;
    contents.set(name, { dtype, shape: [32, 64], bytes: bytes.subarray(0, bytes.length / 2) });
    await writeSafetensors(file, contents);
    expect((await describeModel(copy)).reason).toMatch(
      /^The transformer cannot be used: the tensor "transformer_blocks\.1\.ff\.net\.2\.weight" has shape \[32, 64\], but axis 1 must be 128,/,
    );
  });

  test('a file without text encoders says what it lacks', async () => {
    const file = join(folder, 'without-text.safetensors');
    await writeTransformerFile('tiny-sd3/without-text', file);
    const { reason } = await describeModel(file);
    expect(reason).toMatch(
      /^The text_encoder is missing: .* CLIP-L\. Put a file with it, such as clip_l\.safetensors,/,
    );
  });
});
