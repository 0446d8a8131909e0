import {
  constants,
  copyFile,
  cp,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { table } from '../../clients/cli/table.ts';
import { humanBytes, humanTime, Transfer } from '../../clients/cli/transfer.ts';
import { parts } from '../helpers/checkpointFiles.ts';
import { bytesOf, runHere, start } from '../helpers/cli.ts';
import { modelFolder, modelsFolder } from '../helpers/goldens.ts';
import { writeFluxFiles } from '../helpers/separateFiles.ts';
import { readContents, writeGoldenSingleFile, writeSafetensors } from '../helpers/singleFile.ts';

const unet = 'unet/diffusion_pytorch_model.safetensors';

/** An empty models folder, and a model beside it that is to come in. */
async function setUp() {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'latentwire-models-'));
  const modelsDir = path.join(folder, 'models');
  const dream = path.join(folder, 'dream');
  await cp(modelFolder('tiny-sd15'), dream, { recursive: true });
  return {
    folder,
    modelsDir,
    /** A diffusers folder. */
    dream,
    /** In a process of its own. */
    begin: (...args: string[]) => start(['models', ...args], { LATENTWIRE_MODELS_DIR: modelsDir }, folder),
    models: (...args: string[]) => runHere(['models', ...args], { LATENTWIRE_MODELS_DIR: modelsDir }, folder),
    names: async () => JSON.parse(await readFile(path.join(modelsDir, 'models.json'), 'utf8')),
    /** What is in the models folder, the hidden too. */
    there: async () => (await readdir(modelsDir).catch(() => [])).sort(),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

describe('latentwire models list', () => {
  test('lists the models of this machine without a server, with what is wrong with them', async () => {
    await using at = await setUp();
    await at.models('add', at.dream);
    await at.models('add', at.dream, '--name', 'broken', '--copy');
    await truncate(path.join(at.modelsDir, 'broken', unet), 5000);
    const { code, stdout, stderr } = await at.begin().ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^AIR +KIND +FAMILY +SIZE +PRECISION$/m);
    expect(stdout).toMatch(/^local:pocket@1 +checkpoint .* MB +float16$/m);
    expect(stdout).toMatch(/^local:dream@1 +checkpoint +\w+ +2\.4 MB +float32$/m);
    expect(stdout).toMatch(/^local:broken@1 +checkpoint .* cannot be used: The unet cannot be used: .*truncated/m);
    expect(stdout).not.toContain('\x1b');
    const [only, ...more] = JSON.parse((await at.models('list', 'dream', '--json')).stdout);
    expect(only).toMatchObject({ air: 'local:dream@1', available: true, precision: 'float32', family: 'sd' });
    expect(more).toEqual([]);
  });

  test('puts what does not fit a terminal below its line', () => {
    const rows = [
      ['a', 'bb', 'some more words'],
      ['aa', 'b', ''],
    ];
    expect(table(rows)).toBe('a   bb  some more words\naa  b\n');
    expect(table(rows, 16)).toBe('a   bb\n    some more\n    words\naa  b\n');
  });

  test('tells sizes and times as people do', () => {
    expect([0, 999, 1000, 999_960, 4_265_380_512].map(humanBytes)).toEqual([
      '0 bytes',
      '999 bytes',
      '1.0 kB',
      '1.0 MB',
      '4.3 GB',
    ]);
    expect([0.4, 59, 60, 3725].map(humanTime)).toEqual(['0 s', '59 s', '1:00', '1:02:05']);
  });

  test('tells how far a transfer is, where no terminal is in a line for each tenth and at most one a second', () => {
    let now = 0;
    let told = '';
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now);
    const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
      told += text;
      return true;
    });
    onTestFinished(() => {
      clock.mockRestore();
      stderr.mockRestore();
    });
    const transfer = new Transfer('adding dream', 3e9);
    for (now = 100; now <= 2_500; now += 100) transfer.advance(5e7);
    const lines = told.trim().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^adding dream: 16 %, 500\.0 MB of 3\.0 GB$/);
    expect(lines[1]).toMatch(/^adding dream: 33 %, 1\.0 GB of 3\.0 GB, 500\.0 MB\/s, 4 s left$/);
  });
});

describe('latentwire models add', () => {
  test('links the weights of a folder and copies its settings', async () => {
    await using at = await setUp();
    await writeFile(path.join(at.dream, unet.replace('.safetensors', '.bin')), 'pickled');
    const { code, stdout, stderr } = await at.models('add', at.dream, '--air', 'civitai:4384@128713', '--alias', 'd');
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'civitai:4384@128713\n' });
    expect(stderr).toMatch(/dream: linked 2\.4 MB, copied .*\nIt can be used now\./);
    expect(await at.there()).toEqual(['dream', 'models.json']);
    expect(await at.names()).toEqual({ 'civitai:4384@128713': { folder: 'dream', aliases: ['d'] } });
    const inode = async (...parts: string[]) => (await stat(path.join(...parts))).ino;
    expect(await inode(at.modelsDir, 'dream', unet)).toBe(await inode(at.dream, unet));
    expect(await inode(at.modelsDir, 'dream', 'model_index.json')).not.toBe(await inode(at.dream, 'model_index.json'));
    expect(await readdir(path.join(at.modelsDir, 'dream', 'unet'))).toEqual(['config.json', path.basename(unet)]);
  });

  test('copies where it is told to, and follows the links that download caches are made of', async () => {
    await using at = await setUp();
    const blob = path.join(at.folder, 'blob');
    await cp(path.join(at.dream, unet), blob);
    await rm(path.join(at.dream, unet));
    await symlink(blob, path.join(at.dream, unet));
    await symlink(at.dream, path.join(at.dream, 'unet', 'round'));
    expect(await at.models('add', at.dream, '--copy', '--name', 'copy')).toMatchObject({ stdout: 'local:copy@1\n' });
    const copy = path.join(at.modelsDir, 'copy', unet);
    expect((await lstat(copy)).isFile()).toBe(true);
    expect((await stat(copy)).nlink).toBe(1);
    expect((await readFile(copy)).equals(await readFile(blob))).toBe(true);
    expect(await at.there()).toEqual(['copy']);
  });

  test.each<[string, (dream: string) => Promise<unknown>, RegExp]>([
    [
      'truncated weights',
      (dream) => truncate(path.join(dream, unet), 100_000),
      /unet cannot be used: .*may be truncated/,
    ],
    [
      'a header that claims 2^60 bytes',
      (dream) => writeFile(path.join(dream, unet), Buffer.from([0, 0, 0, 0, 0, 0, 0, 16, 123, 125])),
      /unet cannot be used: .*header claims 1152921504606846976 bytes/,
    ],
    ['no scheduler', (dream) => rm(path.join(dream, 'scheduler'), { recursive: true }), /scheduler is missing/],
  ])('refuses a folder with %s, and leaves nothing behind', async (_, spoil, sentence) => {
    await using at = await setUp();
    await spoil(at.dream);
    const { code, stdout, stderr } = await at.models('add', at.dream);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(sentence);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(await at.there()).toEqual([]);
  });

  test('keeps the names that are there, and takes one from another model only by force', async () => {
    await using at = await setUp();
    await mkdir(at.modelsDir);
    const known = { 'a:b@1': 'gone', 'c:d@2': { folder: 'other', aliases: ['x', 'y'], tinyDecoder: 'taesd' } };
    await writeFile(path.join(at.modelsDir, 'models.json'), JSON.stringify(known));
    for (const taken of ['A:B@1', 'local:pocket@1']) {
      expect(await at.models('add', at.dream, '--air', taken)).toMatchObject({ code: 1, stdout: '' });
    }
    expect((await at.models('add', at.dream, '--alias', 'x')).stderr).toContain(
      `${path.join(at.modelsDir, 'other')} has the name x`,
    );
    expect(await at.names()).toEqual(known);
    expect(await at.there()).toEqual(['models.json']);
    // What a model is called by itself cannot be taken from it.
    expect((await at.models('add', at.dream, '--air', 'local:pocket@1', '--force')).code).toBe(1);
    expect((await at.models('add', at.dream, '--air', 'a:b@1', '--alias', 'x', '--force')).code).toBe(0);
    expect(await at.names()).toEqual({
      'a:b@1': { folder: 'dream', aliases: ['x'] },
      'c:d@2': { ...known['c:d@2'], aliases: ['y'] },
    });
  });

  test('overwrites nothing, neither a model nor names that cannot be read', async () => {
    await using at = await setUp();
    await at.models('add', at.dream);
    await writeFile(path.join(at.modelsDir, 'dream', 'mine'), 'mine');
    expect(await at.models('add', at.dream)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('exists already'),
    });
    expect(await readFile(path.join(at.modelsDir, 'dream', 'mine'), 'utf8')).toBe('mine');
    for (const broken of ['{ "a:b@1": ', '{ "a:b@1": null }', '[]']) {
      await writeFile(path.join(at.modelsDir, 'models.json'), broken);
      const { code, stderr } = await at.models('add', at.dream, '--name', 'other', '--air', 'c:d@1');
      expect(code).toBe(1);
      expect(stderr).toContain('Correct it first');
    }
    expect(await at.there()).toEqual(['dream', 'models.json']);
  });

  test('loses no name where eight processes add at once, and leaves no lock', async () => {
    await using at = await setUp();
    await mkdir(at.modelsDir);
    // Of a process that was killed in the middle; no process has this id.
    await writeFile(path.join(at.modelsDir, '.models.lock'), '4194305');
    const numbers = [1, 2, 3, 4, 5, 6, 7, 8];
    const style = path.join(at.folder, 'style.safetensors');
    await parts.lora(style);
    const ended = await Promise.all(
      numbers.map((n) => at.begin('add', style, '--name', `n${n}`, '--air', `a:b@${n}`).ended),
    );
    expect(ended.map(({ code, stderr }) => [code, stderr])).toEqual(
      numbers.map(() => [0, expect.stringContaining('It can be used now')]),
    );
    expect(Object.keys(await at.names()).sort()).toEqual(numbers.map((n) => `a:b@${n}`));
    expect(await at.there()).toEqual(['models.json', ...numbers.map((n) => `n${n}.safetensors`)]);
  });

  test('brings in the parts that are chosen for a file, and writes them into models.json', async () => {
    await using at = await setUp();
    const own = path.join(at.folder, 'own');
    const file = await writeFluxFiles(own, { denoiser: '.', encoders: 'e', vae: 'v' });
    await mkdir(path.join(at.modelsDir, 'clip'), { recursive: true });
    const clip = path.join(at.modelsDir, 'clip', 'l.safetensors');
    await rename(path.join(own, 'e', 'clip_l.safetensors'), clip);
    for (const name of ['tokenizer', 'tokenizer_2']) await rename(path.join(own, name), path.join(own, `dev.${name}`));
    const t5 = path.join(own, 'e', 't5xxl.safetensors');
    const vae = path.join(own, 'v', 'ae.safetensors');
    const parts = ['--text-encoder', clip, '--text-encoder', t5, '--vae', vae];
    const wrong = await at.models('add', file, '--text-encoder', vae);
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    expect(wrong.stderr).toMatch(/ae\.safetensors, which is named for it, has no text encoder of FLUX\.1:/);
    expect(await at.there()).toEqual(['clip']);
    const added = await at.models('add', file, '--air', 'bfl:dev@1', ...parts);
    expect(added).toMatchObject({ code: 0, stdout: 'bfl:dev@1\n' });
    expect(added.stderr).toContain('It uses the files l.safetensors, t5xxl.safetensors, ae.safetensors.');
    const named = {
      file: 'dev.safetensors',
      textEncoders: ['clip/l.safetensors', 'text_encoders/t5xxl.safetensors'],
      vae: 'vae/ae.safetensors',
    };
    expect(await at.names()).toEqual({ 'bfl:dev@1': named });
    expect((await stat(path.join(at.modelsDir, named.vae))).ino).toBe((await stat(vae)).ino);
    expect(await readdir(path.join(at.modelsDir, 'vae'))).toEqual(['ae.safetensors', 'ae.safetensors.json']);
    // What is there already is only named, and keeps its parts.
    const there = path.join(at.modelsDir, 'dev.safetensors');
    expect(await at.models('add', there, '--air', 'bfl:dev@1', '--alias', 'dev1')).toMatchObject({ code: 0 });
    expect(await at.names()).toEqual({ 'bfl:dev@1': { ...named, aliases: ['dev1'] } });
    expect((await at.models('add', file, '--name', 'again', '--vae', vae)).stderr).toMatch(
      /vae\/ae\.safetensors exists already/,
    );
    const { stdout } = await at.models();
    expect(stdout).toMatch(/^bfl:dev@1 +checkpoint +flux1 .*It uses the files/m);
    await rm(clip);
    expect((await at.models()).stdout).toMatch(
      /^bfl:dev@1 .* cannot be used: In models\.json, "textEncoders" names clip\/l\.safetensors, which does not exist\.$/m,
    );
  });

  test('brings an encoder of pictures into clip_vision/, where FLUX.1 Redux finds it', async () => {
    await using at = await setUp();
    const [encoder, file] = ['siglip', 'flux1-redux-dev'].map((name) => path.join(at.folder, `${name}.safetensors`));
    await cp(path.join(modelsFolder, 'tiny-flux-redux', 'image_encoder/model.safetensors'), encoder!);
    await cp(path.join(modelsFolder, 'tiny-flux-redux', 'image_embedder/diffusion_pytorch_model.safetensors'), file!);
    expect(await at.models('add', file!)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('The image_encoder is missing'),
    });
    const added = await at.models('add', encoder!);
    expect(added).toMatchObject({ code: 0, stdout: '' });
    expect(added.stderr).toMatch(/Tasks do not name an image encoder\. Models find it in .*clip_vision\.\n/);
    expect(await at.models('add', file!)).toMatchObject({ code: 0, stdout: 'local:flux1-redux-dev@1\n' });
    expect(await at.there()).toEqual(['clip_vision', 'flux1-redux-dev.safetensors']);
    expect((await at.models()).stdout).toMatch(/^local:flux1-redux-dev@1 +ipAdapter +flux1 .*siglip\.safetensors/m);
  });

  test('brings an IP-Adapter, whose encoder it finds by its size', async () => {
    await using at = await setUp();
    const published = path.join(modelsFolder, 'tiny-ip-adapter');
    const file = path.join(at.folder, 'ip-adapter_sd15.safetensors');
    await cp(path.join(published, 'models/ip-adapter_sd15.safetensors'), file);
    const encoders = ['sdxl_models', 'models'].map((name) => path.join(published, name, 'image_encoder'));
    for (const [index, name] of ['vit-g', 'vit-h'].entries()) {
      const encoder = path.join(encoders[index]!, 'model.safetensors');
      expect(await at.models('add', encoder, '--name', name)).toMatchObject({ code: 0, stdout: '' });
    }
    expect(await at.models('add', file, '--kind', 'lora')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is a ipAdapter, not a lora'),
    });
    expect(await at.models('add', file)).toMatchObject({ code: 0, stdout: 'local:ip-adapter_sd15@1\n' });
    expect(await at.there()).toEqual(['clip_vision', 'ip-adapter_sd15.safetensors']);
    expect((await at.models()).stdout).toMatch(/^local:ip-adapter_sd15@1 +ipAdapter +.*vit-h\.safetensors/m);
  });

  test('gives an AIR that two processes want at once to one of them, and says so to the other', async () => {
    await using at = await setUp();
    const style = path.join(at.folder, 'style.safetensors');
    await parts.lora(style);
    const ended = await Promise.all(
      ['one', 'two'].map((name) => at.begin('add', style, '--name', name, '--air', 'a:b@1').ended),
    );
    expect(ended.map(({ code }) => code).sort()).toEqual([0, 1]);
    expect(ended.map(({ stderr }) => stderr).join('')).toMatch(/ (got|has) the name a:b@1/);
    expect(Object.keys(await at.names())).toEqual(['a:b@1']);
  });

  test.each([
    [['add'], 2, 'Argument missing: which folder or file to add'],
    [['add', 'a', 'b'], 2, 'Unexpected argument "b"'],
    [['add', 'dream', '--link', '--copy'], 2, '--link or --copy, not both'],
    [['add', 'dream', '--tokenizer', 'x'], 2, '--tokenizer is for single files'],
    [['add', 'nowhere'], 1, 'There is no '],
    [['add', 'old.ckpt'], 1, 'old.ckpt is a pickle, and opening a pickle can run code'],
    [['add', 'notes.txt'], 1, 'neither a folder nor a .safetensors or .gguf file: it is text ("x")'],
    [['add', 'dream', '--air', 'dreamshaper'], 1, '"dreamshaper" is not an AIR. An AIR is provider:model@version'],
    [['add', 'dream', '--name', '../dream'], 1, '"../dream" cannot be the name of a model'],
    [['add', 'dream', '--name', '.dream'], 1, '".dream" cannot be the name of a model'],
    [['add', 'dream', '--alias', 'two words'], 1, '"two words" cannot be an alias'],
    [['add', 'dream', '--kind', 'lora'], 1, 'is a checkpoint, not a lora'],
  ])('says in a sentence what is wrong: %j', async (args, status, sentence) => {
    await using at = await setUp();
    for (const file of ['old.ckpt', 'notes.txt']) await writeFile(path.join(at.folder, file), 'x');
    const { code, stdout, stderr } = await at.models(...args);
    expect({ code, stdout }).toEqual({ code: status, stdout: '' });
    expect(stderr).toContain(sentence);
    expect(await at.there()).toEqual([]);
  });

  test('leaves nothing behind when Ctrl-C comes while it copies', async ({ skip }) => {
    await using at = await setUp();
    const cloned = copyFile(
      path.join(at.dream, 'model_index.json'),
      path.join(at.folder, 'x'),
      constants.COPYFILE_FICLONE_FORCE,
    );
    await cloned.then(
      () => skip('copying takes no time on this file system'),
      () => {},
    );
    // A hole in a file takes no room until it is copied.
    const large = path.join(at.dream, 'zeros.dat');
    await writeFile(large, '');
    await truncate(large, 3e9);
    const { child, ended } = at.begin('add', at.dream, '--copy');
    await expect.poll(() => bytesOf(path.join(at.modelsDir, '.incoming'), /zeros/), { interval: 5 }).toBeGreaterThan(0);
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ code: 130, stdout: '', stderr: expect.stringContaining('nothing was added') });
    expect(await at.there()).toEqual([]);
  });

  test('takes away what a process left that was killed', async () => {
    await using at = await setUp();
    const { child, ended } = start(['--version']);
    await ended;
    await mkdir(path.join(at.modelsDir, '.incoming', `process-${child.pid}`, 'half'), { recursive: true });
    await at.models('add', at.dream);
    expect(await at.there()).toEqual(['dream']);
  });

  test('says why a link cannot be made to another file system, and copies where it may', async ({ skip }) => {
    await using at = await setUp();
    const memory = await mkdtemp('/dev/shm/latentwire-').catch(() => skip('there is no /dev/shm'));
    try {
      await link(path.join(at.dream, unet), path.join(memory, 'x')).then(
        () => skip('/dev/shm is on the same file system'),
        () => {},
      );
      const dream = path.join(memory, 'dream');
      await cp(at.dream, dream, { recursive: true });
      const { code, stderr } = await at.models('add', dream, '--link');
      expect(code).toBe(1);
      expect(stderr).toContain('it lies on another file system. Use --copy.');
      expect(await at.there()).toEqual([]);
      expect(await at.models('add', dream)).toMatchObject({
        code: 0,
        stderr: expect.stringContaining('copied 2.4 MB'),
      });
    } finally {
      await rm(memory, { recursive: true });
    }
  });
});

describe('latentwire models add, of single files,', () => {
  const settings = JSON.stringify({
    unet: { attention_head_dim: 4, norm_num_groups: 4 },
    vae: { norm_num_groups: 4 },
    text_encoder: { num_attention_heads: 4 },
  });

  /** `shade.safetensors`, a checkpoint in the original layout, with the settings that one so tiny needs. */
  async function withFile() {
    const at = await setUp();
    const shade = path.join(at.folder, 'shade.safetensors');
    await writeGoldenSingleFile('tiny-sd15', shade);
    await writeFile(`${shade}.json`, settings);
    return { ...at, shade };
  }

  test('brings in a checkpoint with its tokenizer and settings, and removes them together', async () => {
    await using at = await withFile();
    const { code, stdout, stderr } = await at.models(
      ...['add', at.shade, '--name', 'sd', '--air', 'a:b@1', '--tokenizer', path.join(at.dream, 'tokenizer')],
    );
    expect({ code, stdout, stderr }).toMatchObject({ code: 0, stdout: 'a:b@1\n' });
    expect(stderr).toContain('It can be used now.');
    expect(await at.there()).toEqual(['models.json', 'sd.safetensors', 'sd.safetensors.json', 'sd.tokenizer']);
    expect(await readdir(path.join(at.modelsDir, 'sd.tokenizer'))).toEqual(
      expect.arrayContaining(['merges.txt', 'vocab.json']),
    );
    expect(await at.names()).toEqual({ 'a:b@1': { file: 'sd.safetensors' } });
    expect((await at.models('list', 'a:b@1')).stdout).toMatch(/^a:b@1 +checkpoint +sd1x +2\.4 MB +float32$/m);
    expect(await at.models('remove', 'sd', '--yes')).toMatchObject({ code: 0 });
    expect(await at.there()).toEqual(['models.json']);
  });

  test('brings in a checkpoint without a tokenizer, and says how to give it one', async () => {
    await using at = await withFile();
    const { code, stdout, stderr } = await at.models('add', at.shade);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'local:shade@1\n' });
    expect(stderr).toMatch(/It cannot be used yet: The tokenizer is missing.*\n.*shade\.tokenizer.*--tokenizer FOLDER/);
    // As it says.
    await cp(path.join(at.dream, 'tokenizer'), path.join(at.modelsDir, 'shade.tokenizer'), { recursive: true });
    expect((await at.models('list', 'shade')).stdout).toMatch(/^local:shade@1 .* float32$/m);
  });

  test("asks for no tokenizer where the vocabulary is CLIP's", async () => {
    await using at = await withFile();
    const tensors = await readContents(at.shade);
    const name = 'cond_stage_model.transformer.text_model.embeddings.token_embedding.weight';
    const [, width = 0] = tensors.get(name)!.shape;
    tensors.set(name, { dtype: 'F16', shape: [49408, width], bytes: new Uint8Array(49408 * width * 2) });
    await writeSafetensors(at.shade, tensors);
    const { code, stdout, stderr } = await at.models('add', at.shade);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'local:shade@1\n' });
    expect(stderr).toContain('It can be used now.');
    expect(stderr).not.toContain('okenizer');
  });

  test('takes the tokenizer that lies beside the file', async () => {
    await using at = await withFile();
    await cp(path.join(at.dream, 'tokenizer'), path.join(at.folder, 'shade.tokenizer'), { recursive: true });
    expect(await at.models('add', at.shade)).toMatchObject({ stderr: expect.stringContaining('It can be used now') });
    expect(await at.there()).toEqual(['shade.safetensors', 'shade.safetensors.json', 'shade.tokenizer']);
  });

  test('gives names and a tokenizer to a file that is in the models folder already', async () => {
    await using at = await withFile();
    const folder = path.join(at.modelsDir, 'checkpoints');
    await mkdir(folder, { recursive: true });
    for (const each of [at.shade, `${at.shade}.json`]) await rename(each, path.join(folder, path.basename(each)));
    const file = path.join(folder, 'shade.safetensors');
    expect(await at.models('add', file, '--name', 'other')).toMatchObject({ code: 2, stdout: '' });
    const { stdout, stderr } = await at.models('add', file, '--air', 'a:b@1', '--tokenizer', at.dream);
    expect({ stdout, stderr }).toEqual({ stdout: 'a:b@1\n', stderr: 'It can be used now.\n' });
    expect(await readdir(folder)).toEqual(['shade.safetensors', 'shade.safetensors.json', 'shade.tokenizer']);
    expect(await at.models('add', file, '--air', 'a:b@1', '--alias', 's')).toMatchObject({ code: 0 });
    expect(await at.names()).toEqual({ 'a:b@1': { file: 'checkpoints/shade.safetensors', aliases: ['s'] } });
    await at.models('remove', 's', '--yes');
    expect(await readdir(folder)).toEqual([]);
  });

  test.each<[string, (file: Buffer) => Buffer, RegExp]>([
    ['half a file', (file) => file.subarray(0, file.length / 2), /may be truncated/],
    ['a file cut in its header', (file) => file.subarray(0, 1000), /header claims .* but the file has 1000/],
    [
      'a web page saved in its place',
      () => Buffer.from('<html>Please log in</html>'),
      /it is a web page, .*Download the file again/,
    ],
    [
      'a shape that does not fit its bytes',
      (file) => Buffer.from(file.toString('latin1').replace('"shape": [16,', '"shape": [61,'), 'latin1'),
      /has shape \[61.* of F32 but \d+ bytes/,
    ],
  ])('refuses %s, and leaves nothing behind', async (_, spoil, sentence) => {
    await using at = await withFile();
    await writeFile(at.shade, spoil(await readFile(at.shade)));
    const { code, stdout, stderr } = await at.models('add', at.shade, '--tokenizer', at.dream);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(sentence);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(await at.there()).toEqual([]);
  });

  test('refuses a tokenizer of another model, or none', async () => {
    await using at = await withFile();
    const words = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`word${i}`, i]));
    const other = path.join(at.folder, 'other');
    await cp(path.join(at.dream, 'tokenizer'), other, { recursive: true });
    await writeFile(path.join(other, 'vocab.json'), JSON.stringify(words));
    for (const [given, sentence] of [
      [other, 'has 2000 words, but the text encoder knows'],
      [at.modelsDir, 'there are neither vocab.json and merges.txt nor tokenizer.json'],
    ] as const) {
      const { code, stderr } = await at.models('add', at.shade, '--tokenizer', given);
      expect(code).toBe(1);
      expect(stderr).toContain(sentence);
      expect(await at.there()).toEqual([]);
    }
  });

  test('tells a LoRA by its tensors', async () => {
    await using at = await setUp();
    const file = path.join(at.folder, 'style.safetensors');
    const layer = 'lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k';
    await writeSafetensors(file, [
      [`${layer}.lora_down.weight`, { dtype: 'F32', shape: [2, 768], bytes: new Uint8Array(2 * 768 * 4) }],
      [`${layer}.lora_up.weight`, { dtype: 'F32', shape: [320, 2], bytes: new Uint8Array(320 * 2 * 4) }],
    ]);
    expect((await at.models('add', file, '--kind', 'vae')).stderr).toContain('is a lora, not a vae');
    expect(await at.models('add', file, '--kind', 'lora')).toMatchObject({ code: 0, stdout: 'local:style@1\n' });
    expect((await at.models('list', 'style')).stdout).toMatch(/^local:style@1 +lora +sd1x +9\.0 kB +float32$/m);
  });
});

describe('latentwire models remove', () => {
  test('tells what would go, and does it with --yes; the original of a link stays', async () => {
    await using at = await setUp();
    await at.models('add', at.dream, '--air', 'a:b@1', '--alias', 'd');
    await at.models('add', at.dream, '--name', 'other', '--air', 'c:d@1');
    const before = await at.there();
    const told = await at.models('remove', 'd');
    expect(told).toMatchObject({ code: 1, stderr: expect.stringContaining('Nothing was removed') });
    expect(told.stdout).toBe(
      `${path.join(at.modelsDir, 'dream')}\na:b@1 in ${path.join(at.modelsDir, 'models.json')}\n`,
    );
    expect(await at.there()).toEqual(before);
    expect(await at.models('remove', 'A:B@1', '--yes')).toMatchObject({ code: 0, stdout: told.stdout });
    expect(await at.there()).toEqual(['models.json', 'other']);
    expect(await at.names()).toEqual({ 'c:d@1': 'other' });
    expect((await stat(path.join(at.dream, unet))).size).toBeGreaterThan(0);
  });

  test('never follows a link', async () => {
    await using at = await setUp();
    await mkdir(at.modelsDir);
    await symlink(at.dream, path.join(at.modelsDir, 'linked'));
    await at.models('remove', 'linked', '--yes');
    expect(await at.there()).toEqual([]);
    expect((await stat(path.join(at.dream, unet))).size).toBeGreaterThan(0);
  });

  test.each([
    ['local:pocket@1', 'is part of the program'],
    ['nobody', 'There is no model nobody'],
  ])('leaves %s alone', async (name, sentence) => {
    await using at = await setUp();
    const { code, stderr } = await at.models('remove', name, '--yes');
    expect(code).toBe(1);
    expect(stderr).toContain(sentence);
  });

  test('takes away a name whose model is gone', async () => {
    await using at = await setUp();
    await mkdir(at.modelsDir);
    await writeFile(path.join(at.modelsDir, 'models.json'), '{"a:b@1": "gone", "c:d@1": "other"}');
    expect(await at.models('remove', 'a:b@1', '--yes')).toMatchObject({ code: 0 });
    expect(await at.names()).toEqual({ 'c:d@1': 'other' });
  });
});
