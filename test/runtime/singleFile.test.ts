import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../runtime/checkpoints/checkpoint.ts';
import { describeModel } from '../../runtime/checkpoints/describe.ts';
import { unetPaths } from '../../runtime/families/ldmLayout.ts';
import { readSafetensorsHeader } from '../../runtime/files/safetensors.ts';
import { cutIntoChunks } from '../../runtime/text/chunks.ts';
import { openTokenizer, type Tokenizer } from '../../runtime/text/tokenizer.ts';
import { componentErrors } from '../helpers/components.ts';
import { modelFolder, readGoldens } from '../helpers/goldens.ts';
import {
  type Content,
  halved,
  readContents,
  turned,
  writeGoldenSingleFile,
  writeSafetensors,
  writeSecondSingleFile,
} from '../helpers/singleFile.ts';

/** What the shapes of the tiny models cannot tell: they have neither heads of 64 channels nor 32 groups. */
const proportions = {
  'tiny-sd15': {
    unet: { attention_head_dim: 4, norm_num_groups: 4 },
    vae: { norm_num_groups: 4 },
    text_encoder: { num_attention_heads: 4 },
  },
  'tiny-sd21-v': {
    predictionType: 'v_prediction',
    unet: { attention_head_dim: [2, 2, 4, 4], norm_num_groups: 4 },
    vae: { norm_num_groups: 4 },
    text_encoder: { num_attention_heads: 4 },
  },
  'tiny-sdxl': {
    unet: { attention_head_dim: [2, 4, 4], norm_num_groups: 4 },
    vae: { norm_num_groups: 4 },
    text_encoder: { num_attention_heads: 4 },
    text_encoder_2: { num_attention_heads: 4 },
  },
} as const;

let scratch: string;
let made = 0;
const files = {} as Record<keyof typeof proportions, string>;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'latentwire-single-file-'));
  for (const model of ['tiny-sd15', 'tiny-sdxl', 'tiny-sd21-v'] as const) {
    const models = join(scratch, model);
    await mkdir(models);
    files[model] = join(models, `${model}.safetensors`);
    if (model === 'tiny-sd21-v') await writeSecondSingleFile(files[model]);
    else await writeGoldenSingleFile(model, files[model]);
    await writeFile(`${files[model]}.json`, JSON.stringify(proportions[model]));
    await cp(join(modelFolder(model), 'tokenizer'), join(models, `${model}.tokenizer`), { recursive: true });
  }
});

afterAll(() => rm(scratch, { recursive: true, force: true }));

/** A copy of a single file alone in a folder, with changes to its tensors and its settings. */
async function changed(
  model: keyof typeof proportions,
  change: (tensors: Map<string, Content>) => unknown,
  options: { settings?: object; metadata?: Record<string, string>; tokenizer?: boolean } = {},
): Promise<string> {
  const folder = join(scratch, String(made++));
  await mkdir(folder);
  const file = join(folder, 'changed.safetensors');
  const tensors = await readContents(files[model]);
  await change(tensors);
  await writeSafetensors(file, tensors, options.metadata);
  await writeFile(`${file}.json`, JSON.stringify({ ...proportions[model], ...options.settings }));
  if (options.tokenizer !== false) {
    await cp(join(modelFolder(model), 'tokenizer'), join(folder, 'tokenizer'), { recursive: true });
  }
  return file;
}

const resize = (tensors: Map<string, Content>, name: string, shape: number[]) => {
  const { dtype } = tensors.get(name)!;
  const bytes = new Uint8Array(shape.reduce((a, b) => a * b, dtype === 'F32' ? 4 : 2));
  tensors.set(name, { dtype, shape, bytes });
};
const convIn = 'model.diffusion_model.input_blocks.0.0.weight';

describe('a single file', () => {
  test.each([
    ['tiny-sd15', 1e-4],
    ['tiny-sdxl', 1e-4],
    ['tiny-sd21-v', 1e-3],
  ] as const)('%s gives through its components what PyTorch gave', async (model, tolerance) => {
    const errors = await componentErrors(files[model], readGoldens(model));
    expect(Object.keys(errors)).toHaveLength(model === 'tiny-sdxl' ? 5 : 4);
    for (const [component, error] of Object.entries(errors))
      expect([component, error < tolerance, error]).toEqual([component, true, error]);
  });

  test.each([
    ['F16', 2e-2],
    ['BF16', 1e-1],
  ] as const)('may be stored as %s', async (dtype, tolerance) => {
    const file = await changed('tiny-sd15', (tensors) => {
      for (const [name, content] of tensors) tensors.set(name, halved(content, dtype));
    });
    expect(await describeModel(file)).toMatchObject({
      available: true,
      precision: dtype === 'F16' ? 'float16' : 'bfloat16',
    });
    const errors = await componentErrors(file, readGoldens('tiny-sd15'));
    for (const error of Object.values(errors)) expect(error).toBeLessThan(tolerance);
  });

  test('may hold its projection transposed, as Stability publishes XL', async () => {
    const path = 'conditioner.embedders.1.model.text_projection';
    const file = await changed('tiny-sdxl', (tensors) => {
      tensors.set(path, turned(tensors.get(`${path}.weight`)!));
      tensors.delete(`${path}.weight`);
    });
    expect(await describeModel(file)).toMatchObject({ available: true });
    const errors = await componentErrors(file, readGoldens('tiny-sdxl'));
    expect(errors.text_encoder_2).toBeLessThan(1e-4);
  });

  test('is described: SD 1', async () => {
    const description = await describeModel(files['tiny-sd15']);
    expect(description).toMatchObject({
      kind: 'checkpoint',
      architecture: 'sd1x',
      name: 'tiny-sd15',
      className: 'StableDiffusionPipeline',
      family: 'sd',
      available: true,
      layout: 'safetensors',
      precision: 'float32',
      sizeBytes: 2_415_652,
      sizeMultiple: 8,
      defaultWidth: 512,
      defaultScheduler: 'PNDMScheduler',
    });
    expect(description.reason).toBeUndefined();
    expect(description.refiner).toBeUndefined();
  });

  test('is described: SD 2 and XL', async () => {
    expect(await describeModel(files['tiny-sd21-v'])).toMatchObject({
      architecture: 'sd2x',
      className: 'StableDiffusionPipeline',
      available: true,
      precision: 'float16',
      defaultWidth: 768,
      defaultScheduler: 'DDIMScheduler',
    });
    expect(await describeModel(files['tiny-sdxl'])).toMatchObject({
      architecture: 'sdxl',
      className: 'StableDiffusionXLPipeline',
      family: 'sdxl',
      available: true,
      defaultWidth: 1024,
      defaultScheduler: 'EulerDiscreteScheduler',
    });
  });

  test.each(['tiny-sd15', 'tiny-sd21-v', 'tiny-sdxl'] as const)('%s has the config of its folder', async (model) => {
    const [single, folder] = [await openCheckpoint(files[model]), await openCheckpoint(modelFolder(model))];
    const same = (part: 'denoiser' | 'vae' | 'text_encoder' | 'text_encoder_2', keys: string[]) => {
      for (const key of keys)
        expect([part, key, single.configs[part][key]]).toEqual([part, key, folder.configs[part][key]]);
    };
    same('denoiser', [
      'in_channels',
      'out_channels',
      'block_out_channels',
      'layers_per_block',
      'down_block_types',
      'up_block_types',
      'cross_attention_dim',
      'use_linear_projection',
    ]);
    if (model === 'tiny-sdxl') {
      same('denoiser', ['addition_embed_type', 'addition_time_embed_dim', 'projection_class_embeddings_input_dim']);
      // Of a level without attention nothing is stored; its 1 in the folder's config means nothing.
      same('denoiser', ['transformer_layers_per_block']);
      same('text_encoder_2', ['hidden_size', 'hidden_act', 'num_hidden_layers', 'vocab_size', 'projection_dim']);
    }
    same('vae', ['block_out_channels', 'layers_per_block', 'latent_channels']);
    same('text_encoder', ['hidden_size', 'hidden_act', 'num_hidden_layers', 'vocab_size', 'max_position_embeddings']);
    expect(single.scalingFactor).toBe(folder.scalingFactor);
    expect(single.configs.scheduler).toMatchObject({ beta_start: 0.00085, beta_end: 0.012, steps_offset: 1 });
    expect(single.configs.scheduler.prediction_type).toBe(folder.configs.scheduler.prediction_type ?? 'epsilon');
  });

  test('with nine channels is for inpainting, with eight for editing', async () => {
    const inpaint = await changed('tiny-sd15', (tensors) => resize(tensors, convIn, [16, 9, 3, 3]));
    expect(await describeModel(inpaint)).toMatchObject({
      available: true,
      className: 'StableDiffusionInpaintPipeline',
    });
    expect((await openCheckpoint(inpaint)).input).toBe('inpaint');
    const edit = await changed('tiny-sd15', (tensors) => resize(tensors, convIn, [16, 8, 3, 3]));
    expect(await describeModel(edit)).toMatchObject({
      available: true,
      className: 'StableDiffusionInstructPix2PixPipeline',
    });
    expect((await openCheckpoint(edit)).input).toBe('edit');
    const other = await changed('tiny-sd15', (tensors) => resize(tensors, convIn, [16, 7, 3, 3]));
    expect((await describeModel(other)).reason).toMatch(/unet takes 7 channels, but the autoencoder has 4: supported/);
  });

  test('with the second text encoder alone is an XL refiner', async () => {
    const file = await changed('tiny-sdxl', (tensors) => {
      for (const [name, content] of [...tensors]) {
        const [, index, rest] = /^conditioner\.embedders\.([01])\.(.*)$/.exec(name) ?? [];
        if (index === undefined) continue;
        tensors.delete(name);
        if (index === '1') tensors.set(`conditioner.embedders.0.${rest}`, content);
      }
      // Five numbers of eight sines and cosines.
      resize(tensors, 'model.diffusion_model.label_emb.0.0.weight', [64, 24 + 5 * 8]);
    });
    expect(await describeModel(file)).toMatchObject({ available: true, refiner: true, family: 'sdxl' });
    const checkpoint = await openCheckpoint(file);
    expect(checkpoint.components).toEqual(['text_encoder_2', 'denoiser', 'vae_encoder', 'vae_decoder']);
    expect(checkpoint.index.requires_aesthetics_score).toBe(true);
    expect(checkpoint.configs.denoiser.addition_time_embed_dim).toBe(8);
    await expect(checkpoint.component('text_encoder')).rejects.toThrow('This model has no text_encoder.');
  });

  test('is named and described by its metadata, unless its settings say otherwise', async () => {
    const metadata = {
      'modelspec.title': 'A title',
      'modelspec.description': 'What it draws.',
      'modelspec.license': 'MIT',
      'modelspec.tags': 'one, two',
      'modelspec.resolution': '640x384',
      'modelspec.prediction_type': 'v',
    };
    const file = await changed('tiny-sd15', () => {}, { metadata });
    expect(await describeModel(file)).toMatchObject({
      name: 'A title',
      description: 'What it draws.',
      license: 'MIT',
      tags: ['one', 'two'],
      defaultWidth: 640,
      defaultHeight: 384,
    });
    expect((await openCheckpoint(file)).configs.scheduler.prediction_type).toBe('v_prediction');
    const settings = { name: 'Mine', predictionType: 'epsilon', defaultHeight: 128 };
    await writeFile(`${file}.json`, JSON.stringify({ ...proportions['tiny-sd15'], ...settings }));
    expect(await describeModel(file)).toMatchObject({
      name: 'Mine',
      license: 'MIT',
      defaultWidth: 640,
      defaultHeight: 128,
    });
    expect((await openCheckpoint(file)).configs.scheduler.prediction_type).toBe('epsilon');
  });

  test('of SD 2 is told to predict noise or velocity by one bias, of XL by an empty tensor', async () => {
    const { predictionType: _, ...settings } = proportions['tiny-sd21-v'];
    const bias = 'model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias';
    for (const [deviation, expected, width] of [
      [0.2, 'v_prediction', 768],
      [0.05, 'epsilon', 512],
    ] as const) {
      for (const dtype of ['F16', 'BF16'] as const) {
        const file = await changed(
          'tiny-sd21-v',
          (tensors) => {
            const { shape } = tensors.get(bias)!;
            const values = Float32Array.from({ length: shape[0]! }, (_, i) => 1 + (i % 2 ? deviation : -deviation));
            tensors.set(bias, halved({ dtype: 'F32', shape, bytes: new Uint8Array(values.buffer) }, dtype));
          },
          { settings: { ...settings, predictionType: undefined } },
        );
        expect((await openCheckpoint(file)).configs.scheduler.prediction_type).toBe(expected);
        expect(await describeModel(file)).toMatchObject({ available: true, defaultWidth: width });
      }
    }
    const marked = await changed('tiny-sdxl', (tensors) => {
      for (const name of ['v_pred', 'ztsnr']) tensors.set(name, { dtype: 'F32', shape: [0], bytes: new Uint8Array(0) });
    });
    expect((await openCheckpoint(marked)).configs.scheduler).toMatchObject({
      prediction_type: 'v_prediction',
      rescale_betas_zero_snr: true,
      timestep_spacing: 'trailing',
    });
  });

  test('may take its autoencoder from elsewhere', async () => {
    const remove = (tensors: Map<string, Content>) => {
      for (const name of tensors.keys()) if (name.startsWith('first_stage_model.')) tensors.delete(name);
    };
    const file = await changed('tiny-sd15', remove);
    expect(await describeModel(file)).toMatchObject({
      available: true,
      lacksVae: true,
      latentChannels: 4,
      reason: 'It has no autoencoder (VAE), so a task must name one.',
    });
    const half = await changed('tiny-sd15', (tensors) => {
      for (const name of tensors.keys()) if (name.startsWith('first_stage_model.decoder.')) tensors.delete(name);
    });
    expect(await describeModel(half)).toMatchObject({ available: false, reason: expect.stringMatching(/^The vae/) });
    const vae = join(modelFolder('tiny-sd15'), 'vae');
    await writeFile(`${file}.json`, JSON.stringify({ ...proportions['tiny-sd15'], vae }));
    expect(await describeModel(file)).toMatchObject({ available: true });
    const errors = await componentErrors(file, readGoldens('tiny-sd15'));
    expect(errors.vae_decoder).toBeLessThan(1e-4);
  });

  test.each<[string, (tensors: Map<string, Content>) => unknown, object, RegExp]>([
    [
      'no settings where it needs them',
      () => {},
      { unet: {} },
      /are not 32 groups each.*give its norm_num_groups under "unet" in changed\.safetensors\.json\.$/,
    ],
    [
      'no heads in its settings',
      () => {},
      { text_encoder: {} },
      /^The text_encoder cannot be used: it has 32 channels, so not heads of 64.*num_attention_heads/,
    ],
    [
      'no text encoder',
      (tensors) => {
        for (const name of tensors.keys()) if (name.startsWith('cond_stage_model.')) tensors.delete(name);
      },
      {},
      /^The text_encoder is missing: the file has no tensors named cond_stage_model/,
    ],
    [
      'half a UNet',
      (tensors) => {
        for (const name of tensors.keys()) if (name.includes('.output_blocks.7.')) tensors.delete(name);
      },
      {},
      /^The unet cannot be used: the up blocks have 11 layers in the weights, but the down blocks need 12/,
    ],
    [
      'noise levels of another kind',
      (tensors) => tensors.set('edm_mean', { dtype: 'F32', shape: [1], bytes: new Uint8Array(4) }),
      {},
      /noise levels of EDM, which are not supported/,
    ],
    ['a prediction nobody has heard of', () => {}, { predictionType: 'magic' }, /predictionType: "magic"; allowed are/],
  ])('with %s is unavailable, with the reason', async (_what, change, settings, reason) => {
    const file = await changed('tiny-sd15', change, { settings });
    const description = await describeModel(file);
    expect(description).toMatchObject({ kind: 'checkpoint', available: false });
    expect(description.reason).toMatch(reason);
  });
});

describe('the tokenizer of a single file', () => {
  const vocabulary = join(modelFolder('tiny-sdxl'), 'tokenizer');
  const words = (tensors: Map<string, Content>, rows: number) => {
    for (const [name, { shape }] of tensors) {
      if (/token_embedding\.weight$/.test(name)) resize(tensors, name, [rows, shape[1]!]);
    }
  };

  // 49408 as published; more where training has added words.
  test.each([
    ['tiny-sd15', 49408],
    ['tiny-sd15', 49410],
    ['tiny-sdxl', 49408],
  ] as const)("is CLIP's own, and needs no files, where %s has %i words", async (model, rows) => {
    const file = await changed(model, (tensors) => words(tensors, rows), { tokenizer: false });
    expect(await describeModel(file)).toMatchObject({ available: true });
    const checkpoint = await openCheckpoint(file);
    expect(checkpoint.configs.text_encoder.eos_token_id).toBe(49407);
    for (const name of checkpoint.tokenizers) {
      const { folder, padToken } = await checkpoint.tokenizer(name);
      expect(folder).toBeUndefined();
      const tokenizer = await openTokenizer(folder, 77, padToken);
      const [{ ids } = { ids: [] }] = cutIntoChunks(tokenizer, [{ text: 'a photo of a cat', weight: 1 }]);
      expect(ids.slice(0, 7)).toEqual([49406, 320, 1125, 539, 320, 2368, 49407]);
      expect(ids.slice(7).every((id) => id === (name === 'tokenizer' ? 49407 : 0))).toBe(true);
    }
  });

  test("is that of its files where they lie beside it, also in place of CLIP's own", async () => {
    const file = await changed('tiny-sd15', (tensors) => words(tensors, 49408));
    const { folder } = await (await openCheckpoint(file)).tokenizer('tokenizer');
    expect(folder).toBe(join(file, '..', 'tokenizer'));
  });

  test('is a folder of its own, one beside it, or that of a model beside it with the same vocabulary', async () => {
    const file = await changed('tiny-sdxl', () => {}, { tokenizer: false });
    const folder = join(file, '..');
    const reason = (await describeModel(file)).reason;
    expect(reason).toMatch(
      /^The tokenizer is missing: .* has its own vocabulary of 1000 words.* Put vocab\.json and merges\.txt/,
    );

    // A model of another vocabulary is no help.
    await cp(modelFolder('tiny-sd15'), join(folder, 'a-model'), { recursive: true });
    await writeFile(join(folder, 'a-model/tokenizer/vocab.json'), '{"a":0}');
    expect((await describeModel(file)).reason).toBe(reason);
    await cp(modelFolder('tiny-sd15'), join(folder, 'b-model'), { recursive: true });
    expect(await describeModel(file)).toMatchObject({ available: true });
    const checkpoint = await openCheckpoint(file);
    expect((await checkpoint.tokenizer('tokenizer')).folder).toBe(join(folder, 'b-model/tokenizer'));
    expect((await checkpoint.tokenizer('tokenizer')).padToken).toBe('<|endoftext|>');
    expect((await checkpoint.tokenizer('tokenizer_2')).folder).toBe(join(folder, 'b-model/tokenizer'));
    expect((await checkpoint.tokenizer('tokenizer_2')).padToken).toBe('!');

    await cp(vocabulary, join(folder, 'tokenizer'), { recursive: true });
    expect((await checkpoint.tokenizer('tokenizer')).folder).toBe(join(folder, 'tokenizer'));
    await cp(vocabulary, join(folder, 'changed.tokenizer'), { recursive: true });
    expect((await checkpoint.tokenizer('tokenizer')).folder).toBe(join(folder, 'changed.tokenizer'));
    const padding = (await checkpoint.tokenizer('tokenizer_2')).padToken;
    const rowOf = (tokenizer: Tokenizer) => cutIntoChunks(tokenizer, [{ text: 'a', weight: 1 }])[0]!.ids;
    const row = rowOf(await openTokenizer((await checkpoint.tokenizer('tokenizer_2')).folder, 77, padding));
    expect(row).toEqual(rowOf(await openTokenizer(join(modelFolder('tiny-sdxl'), 'tokenizer_2'), 77)));
    expect(row.at(-1)).toBe(0);
    // Its own folder says itself how it pads.
    expect((await checkpoint.tokenizer('tokenizer')).padToken).toBeUndefined();
    expect((await checkpoint.tokenizer('tokenizer_2')).padToken).toBe('!');

    await writeFile(`${file}.json`, JSON.stringify({ ...proportions['tiny-sdxl'], tokenizer: 'b-model/tokenizer' }));
    expect((await (await openCheckpoint(file)).tokenizer('tokenizer')).folder).toBe(join(folder, 'b-model/tokenizer'));
  });

  test('must not know more words than the text encoder', async () => {
    const file = await changed('tiny-sd15', () => {}, { tokenizer: false });
    const folder = join(file, '..', 'tokenizer');
    await mkdir(folder);
    const words = Object.fromEntries(Array.from({ length: 1001 }, (_, i) => [`w${i}`, i]));
    await writeFile(join(folder, 'vocab.json'), JSON.stringify(words));
    await writeFile(join(folder, 'merges.txt'), '#version: 0.2');
    expect((await describeModel(file)).reason).toMatch(/has 1001 words, but the text encoder knows 1000/);
  });
});

test.each(['tiny-sd15', 'tiny-sdxl'] as const)('%s: every name of the original layout has one place', async (model) => {
  const { configs } = await openCheckpoint(modelFolder(model));
  const paths = [...unetPaths(configs.denoiser)];
  const inside = (path: string, of: string) => path === of || path.startsWith(`${of}.`);
  for (const side of [0, 1] as const) {
    for (const [index, path] of paths.entries()) {
      expect(paths.filter((other, i) => i !== index && inside(path[side], other[side]))).toEqual([]);
    }
  }
  const { tensors } = await readSafetensorsHeader(files[model]);
  const names = [...tensors.keys()].filter((name) => name.startsWith('model.diffusion_model.'));
  for (const name of names) {
    const path = name.slice('model.diffusion_model.'.length);
    expect([path, paths.filter(([original]) => inside(path, original)).length]).toEqual([path, 1]);
  }
});
