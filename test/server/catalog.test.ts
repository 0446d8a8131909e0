import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import pino from 'pino';
import { expect, test } from 'vitest';
import { Catalog } from '../../server/catalog.ts';
import { describeTestModel } from '../helpers/server.ts';

const log = pino({ level: 'silent' });

async function makeModels(...names: string[]) {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'latentwire-'));
  const add = async (name: string) => {
    await mkdir(path.join(folder, name));
    await writeFile(path.join(folder, name, 'model_index.json'), '{}');
  };
  for (const name of names) await add(name);
  return { folder, add, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

function open(modelsDirs: string[], defaultModel = 'local:first@1') {
  return new Catalog({ modelsDirs, defaultModel, log, describe: async (folder) => describeTestModel(folder) });
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

test('lets the first of two models of one name have it', async () => {
  await using one = await makeModels('first');
  await using two = await makeModels('first');
  const catalog = open([one.folder, two.folder]);
  expect((await catalog.find('first')).model.folder).toBe(path.join(one.folder, 'first'));
  expect(await catalog.list()).toHaveLength(1);
});

test('finds a model that is added while the server runs', async () => {
  await using models = await makeModels('first');
  const catalog = open([models.folder]);
  await expect(catalog.find('local:added@1')).rejects.toMatchObject({ code: 'modelNotFound' });
  await models.add('added');
  await expect.poll(async () => (await catalog.list()).length, { timeout: 5_000 }).toBe(2);
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
