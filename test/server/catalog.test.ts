import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import pino from 'pino';
import { describe, expect, test, vi } from 'vitest';
import type { ModelParts } from '../../runtime/index.ts';
import { Catalog } from '../../server/catalog/catalog.ts';
import { ManualClock } from '../helpers/clock.ts';
import { describeTestModel } from '../helpers/server.ts';

const log = pino({ level: 'silent' });

async function makeModels(...names: string[]) {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'latentwire-'));
  const add = async (name: string) => {
    await mkdir(path.join(folder, name));
    await writeFile(path.join(folder, name, 'model_index.json'), '{}');
  };
  const write = async (place: string, text = '') => {
    await mkdir(path.dirname(path.join(folder, place)), { recursive: true });
    await writeFile(path.join(folder, place), text);
  };
  for (const name of names) await add(name);
  return { folder, add, write, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

/** As long as a look at the folders counts, and a little. */
const looksAgainMs = 2_100;

function open(modelsDirs: string[], defaultModel = 'local:first@1', clock = new ManualClock()) {
  return new Catalog({
    modelsDirs,
    defaultModel,
    log,
    clock,
    describe: async (folder) => describeTestModel(folder),
  });
}

test('names models after their folders, and passes over folders that hold none', async () => {
  await using models = await makeModels('first', 'second');
  await mkdir(path.join(models.folder, 'empty'));
  await writeFile(path.join(models.folder, 'file'), '');
  const entries = await open([models.folder, '/nowhere']).list();
  expect(entries.map(({ air }) => air)).toEqual(['local:first@1', 'local:second@1']);
});

test('takes names from models.json', async () => {
  await using models = await makeModels('first', 'second');
  const names = { 'civitai:4384@128713': 'first', 'runware:100@1': { folder: 'second', aliases: ['flux'] } };
  await writeFile(path.join(models.folder, 'models.json'), JSON.stringify(names));
  const catalog = open([models.folder]);
  for (const name of ['civitai:4384@128713', 'local:first@1', 'first', undefined]) {
    expect((await catalog.find(name)).air).toBe('civitai:4384@128713');
  }
  for (const name of ['flux', 'RUNWARE:100@1', 'local:second@1']) {
    expect((await catalog.find(name)).air).toBe('runware:100@1');
  }
});

test('goes on without models.json where it is broken', async () => {
  await using models = await makeModels('first');
  await writeFile(path.join(models.folder, 'models.json'), '{ broken');
  expect((await open([models.folder]).find('local:first@1')).model.name).toBe('first');
});

test.each([
  ['null', null],
  ['a number', 7],
  ['a list', ['first']],
  ['no place', { aliases: ['x'] }],
  ['a place that is no text', { folder: 7 }],
  ['an empty place', ''],
])('passes over an entry of models.json that is %s, and keeps the others', async (_, entry) => {
  await using models = await makeModels('first');
  const names = { 'a:b@1': entry, 'c:d@1': { folder: 'first', aliases: 'letters', tinyDecoder: 5 } };
  await writeFile(path.join(models.folder, 'models.json'), `\ufeff${JSON.stringify(names)}`);
  const [only, ...more] = await open([models.folder]).list();
  expect(more).toEqual([]);
  expect(only).toMatchObject({ air: 'c:d@1', ids: ['c:d@1', 'local:first@1', 'first'] });
});

test('lets the first of two models of one name have it', async () => {
  await using one = await makeModels('first');
  await using two = await makeModels('first');
  const catalog = open([one.folder, two.folder]);
  expect((await catalog.find('first')).model.folder).toBe(path.join(one.folder, 'first'));
  expect(await catalog.list()).toHaveLength(1);
});

test('finds a model that is added while the server runs', async () => {
  await using models = await makeModels('first');
  const clock = new ManualClock();
  const catalog = open([models.folder], 'local:first@1', clock);
  await expect(catalog.find('local:added@1')).rejects.toMatchObject({ code: 'modelNotFound' });
  await models.add('added');
  expect(await catalog.list()).toHaveLength(1);
  await clock.advance(looksAgainMs);
  expect(await catalog.list()).toHaveLength(2);
});

test('gives a known model at once, however long a look at the folders takes', async () => {
  await using models = await makeModels('first');
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const describe = async (file: string) => {
    if (file.endsWith('slow')) await held;
    return describeTestModel(file);
  };
  const clock = new ManualClock();
  const catalog = new Catalog({
    modelsDirs: [models.folder],
    defaultModel: 'first',
    log,
    clock,
    describe,
  });
  await catalog.list();
  await models.add('slow');
  await clock.advance(looksAgainMs);
  expect((await catalog.find('first')).air).toBe('local:first@1');
  const slow = catalog.find('slow');
  release();
  expect((await slow).air).toBe('local:slow@1');
});

test('says what there is where a name is unknown, and why where a model is broken', async () => {
  await using models = await makeModels('first', 'broken');
  const catalog = open([models.folder]);
  await expect(catalog.find('x')).rejects.toMatchObject({ details: { allowedValues: ['local:first@1'] } });
  await expect(catalog.find('broken')).rejects.toThrow('its weights are missing.');
});

test('lists the default model first', async () => {
  await using models = await makeModels('first', 'second', 'third');
  const entries = await open([models.folder], 'SECOND').list();
  expect(entries.map(({ air }) => air)).toEqual(['local:second@1', 'local:first@1', 'local:third@1']);
});

describe('files', () => {
  test('are models beside the folders, and one level deeper where folders have customary names', async () => {
    await using models = await makeModels('first');
    await models.write('single.safetensors');
    await models.write('loras/pixel-lora.safetensors');
    await models.write('VAE/soft-vae.safetensors');
    await models.write('controlnet/canny/config.json', '{"_class_name":"ControlNetModel"}');
    await models.write('old.ckpt');
    await models.write('embeddings/old-words.pt');
    for (const place of ['notes.txt', 'pictures/no.safetensors', 'loras/deep/no.safetensors', 'text/config.json'])
      await models.write(place, '{}');
    await models.write('loras/.hidden.safetensors');
    const entries = await open([models.folder]).list();
    expect(entries.map(({ air, kind }) => `${air} ${kind}`)).toEqual([
      'local:first@1 checkpoint',
      'local:canny@1 controlNet',
      'local:old-words@1 embedding',
      'local:pixel-lora@1 lora',
      'local:old@1 checkpoint',
      'local:single@1 checkpoint',
      'local:soft-vae@1 vae',
    ]);
    for (const air of ['local:old@1', 'local:old-words@1'])
      expect(entries.find((entry) => entry.air === air)!.model.available).toBe(false);
  });

  test('are models of their own where a customary name is that of a model', async () => {
    await using models = await makeModels('first', 'vae');
    await models.write('vae/soft-vae.safetensors');
    expect((await open([models.folder]).list()).map(({ air }) => air)).toEqual(['local:first@1', 'local:vae@1']);
  });

  test('get names from models.json, wherever they lie', async () => {
    await using models = await makeModels('first');
    await models.write('loras/pixel-lora.safetensors');
    await models.write('deep/down/grand-lora.safetensors');
    const names = {
      'civitai:1@2': 'loras/pixel-lora.safetensors',
      'civitai:3@4': { file: 'deep/down/grand-lora.safetensors', aliases: ['grand'] },
      'civitai:5@6': { folder: './first', tinyDecoder: 'taesd' },
      'civitai:7@8': 'gone.safetensors',
    };
    await models.write('models.json', JSON.stringify(names));
    const catalog = open([models.folder], 'first');
    expect((await catalog.list()).map(({ air }) => air)).toEqual(['civitai:5@6', 'civitai:1@2', 'civitai:3@4']);
    expect((await catalog.find('grand', 'lora')).path).toBe(
      path.join(models.folder, 'deep/down/grand-lora.safetensors'),
    );
    expect((await catalog.find('civitai:1@2', 'lora')).ids).toContain('local:pixel-lora@1');
    expect((await catalog.find('first')).tinyDecoder).toBe('taesd');
  });

  test('are given parts by models.json, and are models of their own for each choice of them', async () => {
    await using models = await makeModels('first');
    for (const place of [
      'dev.gguf',
      'text_encoders/a.safetensors',
      'text_encoders/b.safetensors',
      'vae/ae.safetensors',
    ])
      await models.write(place);
    const named = { file: 'dev.gguf', vae: 'vae/ae.safetensors' };
    const names = {
      'a:a@1': { ...named, textEncoders: ['text_encoders/a.safetensors', 'vae/../text_encoders/b.safetensors'] },
      'a:b@1': { ...named, aliases: ['bare'] },
      'a:c@1': { ...named, tinyDecoder: 'taesd' },
    };
    await models.write('models.json', JSON.stringify(names));
    const described: unknown[] = [];
    const clock = new ManualClock();
    const describe = async (file: string, parts?: ModelParts) => {
      if (file.endsWith('.gguf')) described.push(parts);
      return describeTestModel(file);
    };
    const catalog = new Catalog({ modelsDirs: [models.folder], defaultModel: 'first', log, clock, describe });
    const inside = (place: string) => path.join(models.folder, place);
    const vae = inside('vae/ae.safetensors');
    const textEncoders = [inside('text_encoders/a.safetensors'), inside('text_encoders/b.safetensors')];
    expect(await catalog.find('dev')).toMatchObject({ air: 'a:a@1', parts: { textEncoders, vae } });
    const second = await catalog.find('bare');
    expect(second).toMatchObject({ ids: ['a:b@1', 'bare', 'a:c@1'], path: inside('dev.gguf'), tinyDecoder: 'taesd' });
    expect(second.parts).toEqual({ vae });
    expect(described).toEqual([{ textEncoders, vae }, { vae }]);
    // Another file in the place of a part is another model.
    await models.write('vae/ae.safetensors', 'longer');
    await clock.advance(looksAgainMs);
    await catalog.list();
    expect(described).toHaveLength(4);
  });

  test.each([
    [{ vae: 'vae/gone.safetensors' }, '"vae" names vae/gone.safetensors, which does not exist'],
    [
      { textEncoders: ['../outside.safetensors'] },
      '"textEncoders" names ../outside.safetensors, which is not in the models folder',
    ],
    [{ vae: '/etc/hostname' }, '"vae" names /etc/hostname, which does not exist'],
    [{ vae: '.' }, '"vae" names ., which is not in the models folder'],
    [{ vae: 'vae/link.safetensors' }, '"vae" names vae/link.safetensors, which is not in the models folder'],
    [
      { vae: 'linked/outside.safetensors' },
      '"vae" names linked/outside.safetensors, which is not in the models folder',
    ],
    [{ textEncoders: 'text_encoders/a.safetensors' }, '"textEncoders" must be a list of files'],
    [{ textEncoders: [] }, '"textEncoders" must be a list of files'],
    [{ textEncoders: [7] }, '"textEncoders" must name files of the models folder'],
    [{ vae: {} }, '"vae" must name files of the models folder'],
  ])('whose parts are %j are listed with the reason', async (parts, reason) => {
    await using outer = await makeModels();
    const folder = path.join(outer.folder, 'models');
    for (const place of ['models/dev.gguf', 'models/text_encoders/a.safetensors', 'outside.safetensors'])
      await outer.write(place);
    await mkdir(path.join(folder, 'vae'));
    await symlink(path.join(outer.folder, 'outside.safetensors'), path.join(folder, 'vae', 'link.safetensors'));
    await symlink(outer.folder, path.join(folder, 'linked'));
    await outer.write('models/models.json', JSON.stringify({ 'a:b@1': { file: 'dev.gguf', ...parts } }));
    const [entry] = (await open([folder]).list()).filter(({ ids }) => ids.includes('a:b@1'));
    expect(entry?.model).toMatchObject({
      available: false,
      reason: `In models.json, ${reason}.`,
    });
    expect(entry).not.toHaveProperty('parts');
  });

  test('of one name: the first has it, the other is still there under its place, and that is told once', async () => {
    await using models = await makeModels('first');
    await models.write('loras/same-lora.safetensors');
    await models.write('embeddings/same-lora.safetensors');
    const warn = vi.spyOn(log, 'warn');
    const clock = new ManualClock();
    const catalog = open([models.folder], 'local:first@1', clock);
    expect((await catalog.list()).map(({ air }) => air)).toEqual([
      'local:first@1',
      'local:same-lora@1',
      'local:loras/same-lora.safetensors@1',
    ]);
    expect((await catalog.find('same-lora', 'lora')).path).toMatch(/embeddings/);
    await models.write('later.safetensors');
    await clock.advance(looksAgainMs);
    expect(await catalog.list()).toHaveLength(4);
    expect(warn).toHaveBeenCalledOnce();
    expect(warn.mock.calls[0]![0]).toMatchObject({ id: 'local:same-lora@1', path: expect.stringMatching(/loras/) });
    warn.mockRestore();
  });

  test('are described once, and again when they change', async () => {
    await using models = await makeModels('first');
    for (let index = 0; index < 300; index++) await models.write(`loras/lora${index}.safetensors`);
    const described: string[] = [];
    const describe = async (file: string) => {
      described.push(path.basename(file));
      return describeTestModel(file);
    };
    const clock = new ManualClock();
    const catalog = new Catalog({
      modelsDirs: [models.folder],
      defaultModel: 'first',
      log,
      clock,
      describe,
    });
    expect(await catalog.list()).toHaveLength(301);
    expect(described).toHaveLength(301);
    described.length = 0;
    await models.write('loras/lora7.safetensors', 'other weights');
    await models.write('loras/lora8.safetensors.json', '{}');
    await models.write('first/unet/config.json', '{}');
    await clock.advance(looksAgainMs);
    await catalog.list();
    expect(described.toSorted()).toEqual(['first', 'lora7.safetensors', 'lora8.safetensors']);
    await clock.advance(looksAgainMs);
    await catalog.list();
    expect(described).toHaveLength(3);
  });
});
