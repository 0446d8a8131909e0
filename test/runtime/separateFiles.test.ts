import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeModel } from '../../runtime/checkpoints/describe.ts';
import type { GenerateRequest, ModelParts } from '../../runtime/messages.ts';
import { filesOf, partsOf, Scales } from '../../runtime/process/needs.ts';
import { modelsFolder } from '../helpers/goldens.ts';
import { readContents, writeSafetensors } from '../helpers/singleFile.ts';
import { drawn, openModels } from '../helpers/trajectories.ts';
import { writeTransformerFile } from '../helpers/transformerGoldens.ts';

/** A models folder as ComfyUI has it: the denoiser, the text encoder and the autoencoder in folders of their own. */
let models: string;
const denoiser = () => join(models, 'diffusion_models', 'z_image.safetensors');
const encoder = () => join(models, 'text_encoders', 'qwen_3_4b.safetensors');
const vae = () => join(models, 'vae', 'ae.safetensors');
const whole = join(modelsFolder, 'tiny-z-image');

beforeAll(async () => {
  models = await mkdtemp(join(tmpdir(), 'latentwire-separate-'));
  for (const name of ['diffusion_models', 'text_encoders', 'vae']) await mkdir(join(models, name));
  const all = join(models, 'all.safetensors');
  await writeTransformerFile('tiny-z-image/z_image_all_in_one', all);
  const contents = await readContents(all);
  const below = (prefix: string) =>
    [...contents].flatMap(([name, content]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), content] as const] : [],
    );
  await writeSafetensors(denoiser(), below('model.diffusion_model.'));
  await writeSafetensors(encoder(), below('text_encoders.qwen3_4b.transformer.'));
  await writeSafetensors(vae(), below('vae.'));
  await writeFile(`${denoiser()}.json`, JSON.stringify({ vae: { norm_num_groups: 4 } }));
  await rm(all);
  await cp(join(whole, 'tokenizer'), join(models, 'tokenizer'), { recursive: true });
});
afterAll(() => rm(models, { recursive: true }));

describe('a model in separate files', () => {
  const request: GenerateRequest = {
    model: whole,
    prompt: 'a red potion',
    seed: 3n,
    width: 64,
    height: 64,
    steps: 2,
    guidanceScale: 0,
  };

  test('is put together from folders of text encoders and autoencoders, and draws what the whole one draws', async () => {
    expect(await describeModel(denoiser())).toMatchObject({
      available: true,
      family: 'zimage',
      reason: 'It uses the files qwen_3_4b.safetensors, ae.safetensors.',
    });
    const modelCache = openModels();
    expect(await drawn(modelCache, { ...request, model: denoiser() })).toEqual(await drawn(modelCache, request));
  });

  test('is one file, too, under any name that such files give its text encoder', async () => {
    const all = join(models, 'all.safetensors');
    await writeTransformerFile('tiny-z-image/z_image_all_in_one', all);
    const contents = [...(await readContents(all))];
    const renamed = contents.map(([name, each]) => [name.replace('.qwen3_4b.', '.qwen3_8b.'), each] as const);
    await writeSafetensors(all, renamed);
    await writeFile(`${all}.json`, JSON.stringify({ vae: { norm_num_groups: 4 } }));
    expect((await describeModel(all)).reason).toBeUndefined();
    const modelCache = openModels();
    expect(await drawn(modelCache, { ...request, model: all })).toEqual(await drawn(modelCache, request));
    await rm(all);
  });

  test('draws with parts that are chosen by name, wherever they are, and before what lies beside it', async () => {
    const other = join(models, 'other');
    await mkdir(other);
    const chosen = { textEncoders: [join(other, 'mine.safetensors')], vae: join(whole, 'vae') };
    await cp(encoder(), chosen.textEncoders[0]!);
    const described = await describeModel(denoiser(), chosen);
    expect(described).toMatchObject({
      available: true,
      reason: 'It uses the files mine.safetensors, diffusion_pytorch_model.safetensors.',
    });
    const named = { ...request, model: denoiser(), parts: chosen };
    const modelCache = openModels();
    expect(await drawn(modelCache, named)).toEqual(await drawn(modelCache, request));
    expect(filesOf(named)).toEqual([denoiser(), ...chosen.textEncoders, chosen.vae]);
    const scales = new Scales();
    const weighed = await Promise.all(filesOf(named).map((file) => scales.weigh(file, partsOf(named, file))));
    const byRules = await scales.weigh(denoiser());
    expect(weighed.reduce((sum, { count }) => sum + count, 0)).toBe(byRules.count);
  });

  test('refuses parts that are chosen by name and cannot be its own', async () => {
    const reasonOf = async (file: string, chosen: ModelParts) => (await describeModel(file, chosen)).reason;
    const gone = join(models, 'gone.safetensors');
    expect(await reasonOf(denoiser(), { textEncoders: [gone] })).toBe(
      `The text encoder gone.safetensors named for it is missing: there is no ${gone}.`,
    );
    expect(await reasonOf(denoiser(), { textEncoders: [vae()] })).toBe(
      'ae.safetensors, which is named for it, has no text encoder of Z-Image: the text encoder Qwen3.',
    );
    expect(await reasonOf(denoiser(), { textEncoders: [encoder(), encoder()] })).toBe(
      'Two of the files named for it have the text encoder Qwen3.',
    );
    expect(await reasonOf(denoiser(), { vae: gone })).toBe(
      'The vae cannot be used: gone.safetensors cannot be opened: there is no such file.',
    );
    expect(await reasonOf(whole, { textEncoders: [encoder()] })).toMatch(/^The folder has its own text encoders/);
    expect(await reasonOf(join(whole, 'vae'), { vae: vae() })).toMatch(/^Only a checkpoint can have/);
    const settings = { textEncoders: ['../vae/ae.safetensors'], vae: { norm_num_groups: 4 } };
    const copy = join(models, 'diffusion_models', 'copy.safetensors');
    await cp(denoiser(), copy);
    await writeFile(`${copy}.json`, JSON.stringify(settings));
    expect(await reasonOf(copy, {})).toMatch(/^ae\.safetensors, which is named for it, has no text encoder/);
    await rm(copy);
  });

  test('says which text encoder is missing, and where to put it', async () => {
    const alone = join(models, 'alone.safetensors');
    await cp(denoiser(), alone);
    await rm(encoder());
    const reason = (await describeModel(alone)).reason;
    expect(reason).toBe(
      'The text_encoder is missing: alone.safetensors, a model of Z-Image, lacks the text encoder Qwen3. Put a file with it, such as qwen_3_4b.safetensors, into text_encoders/ beside alone.safetensors.',
    );
    await rm(alone);
  });

  test.each([
    ['tiny-flux-dev/bfl', 'FLUX.1', 'the text encoder CLIP-L', 'clip_l.safetensors'],
    [
      'tiny-flux2-klein/diffusion_models/flux-2-klein',
      'FLUX.2 klein',
      'the text encoder Qwen3',
      'qwen_3_4b.safetensors',
    ],
    ['tiny-sd3/without-text', 'Stable Diffusion 3', 'the text encoder CLIP-L', 'clip_l.safetensors'],
  ])('of %s alone is told in the same sentence', async (name, family, title, example) => {
    const folder = join(models, 'lonely', 'unet');
    await mkdir(folder, { recursive: true });
    await writeTransformerFile(name, join(folder, 'dream.safetensors'));
    expect((await describeModel(join(folder, 'dream.safetensors'))).reason).toBe(
      `The text_encoder is missing: dream.safetensors, a model of ${family}, lacks ${title}. Put a file with it, such as ${example}, into text_encoders/ beside unet/.`,
    );
  });

  test('needs an autoencoder from each task where there is none', async () => {
    await cp(join(whole, 'text_encoder', 'model.safetensors'), encoder());
    await rm(vae());
    expect(await describeModel(denoiser())).toMatchObject({ available: true, lacksVae: true });
  });

  test('has parts that are no models by themselves', async () => {
    expect(await describeModel(encoder())).toMatchObject({ kind: 'textEncoder', available: true });
  });
});
