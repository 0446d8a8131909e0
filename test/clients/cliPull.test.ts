import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { Hub } from '../../clients/cli/models/hub.ts';
import { fetchModel } from '../../clients/cli/models/pull.ts';
import { select, shardsOf } from '../../clients/cli/models/selection.ts';
import { describeModel } from '../../runtime/index.ts';
import { bytesOf, run, runHere, start } from '../helpers/cli.ts';
import { modelFolder } from '../helpers/goldens.ts';
import { commit, filesIn, type HubServer, type HubServerOptions, startHubServer } from '../helpers/hubServer.ts';
import { writeSafetensors } from '../helpers/singleFile.ts';

const tiny = filesIn(modelFolder('tiny-sd15'));
const unet = 'unet/diffusion_pytorch_model.safetensors';
const noise = Buffer.alloc(1000, 7);

/** What a real repository has beside what is needed. */
const clutter = {
  'README.md': Buffer.from('A model.'),
  '.gitattributes': Buffer.from('*.safetensors filter=lfs\n'),
  'LICENSE.md': Buffer.from('Do good.'),
  'tiny-sd15.ckpt': noise,
  'tiny-sd15.safetensors': noise,
  'unet/diffusion_pytorch_model.bin': noise,
  'unet/diffusion_pytorch_model.non_ema.safetensors': noise,
  'unet/diffusion_flax_model.msgpack': noise,
  'unet/model.onnx': noise,
  'safety_checker/config.json': Buffer.from('{}'),
  'safety_checker/model.safetensors': noise,
  'feature_extractor/preprocessor_config.json': Buffer.from('{}'),
};

async function setUp(options: Partial<HubServerOptions> = {}) {
  const modelsDir = await mkdtemp(path.join(os.tmpdir(), 'latentwire-pull-'));
  const server = await startHubServer({ repositories: { 'some/tiny': { ...clutter, ...tiny } }, ...options });
  const none = { include: [], exclude: [] };
  const environment = { HF_ENDPOINT: server.url, LATENTWIRE_MODELS_DIR: modelsDir, HOME: modelsDir };
  return {
    modelsDir,
    server,
    /** Fetches in this process, where waits between attempts can be short. */
    async fetch(wishes: { variant?: string; include?: string[]; exclude?: string[] } = {}, token?: string) {
      const { signal } = new AbortController();
      const hub = new Hub({ endpoint: server.url, token, signal, retryDelayMs: 2, stallMs: 30_000 });
      const [id = ''] = Object.keys(options.repositories ?? { 'some/tiny': {} });
      return await fetchModel(hub, await hub.list(id, 'main'), { ...none, ...wishes }, modelsDir, 'tiny');
    },
    /** Fetches as a user does, in a process of its own. */
    begin: (args: string[]) => start(['models', 'pull', ...args], environment),
    pull: (args: string[], env: Record<string, string> = {}) =>
      runHere(['models', 'pull', ...args], { ...environment, ...env }, modelsDir),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await rm(modelsDir, { recursive: true });
    },
  };
}

const digests = (files: Record<string, Buffer>) =>
  Object.fromEntries(
    Object.entries(files).map(([name, bytes]) => [name, createHash('sha256').update(bytes).digest('hex')]),
  );
const fetched = (modelsDir: string) => digests(filesIn(path.join(modelsDir, 'tiny')));

const asked = (server: HubServer, file: string, at: 'hub' | 'cdn' = 'cdn') =>
  server.requests.filter((request) => request.at === at && request.path.endsWith(`/${file}`));

describe('latentwire models pull', () => {
  test('fetches what a pipeline needs and nothing else; the model then draws', async () => {
    await using hub = await setUp();
    const { code, stdout, stderr } = await hub.begin(['some/tiny', '--air', 'civitai:1@2']).ended;
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'civitai:1@2\n' });
    expect(stderr).toContain('It can be used now.');
    expect(await readdir(hub.modelsDir)).toEqual(['models.json', 'tiny']);
    expect(fetched(hub.modelsDir)).toEqual(digests({ ...tiny, 'LICENSE.md': clutter['LICENSE.md'] }));
    expect(await describeModel(path.join(hub.modelsDir, 'tiny'))).toMatchObject({ available: true });
    const env = {
      LATENTWIRE_MODELS_DIR: hub.modelsDir,
      LATENTWIRE_DEVICE: 'cpu',
      LATENTWIRE_THREADS: '1',
      LATENTWIRE_DATA_DIR: hub.modelsDir,
    };
    // A server of its own, wherever another one listens.
    const { child, ended } = start(['serve', '--port', '0', '--log-level', 'error'], env);
    const url = await new Promise<string>((resolve) => {
      child.stdout!.on('data', (text) => resolve(/http:\S+/.exec(String(text))![0]));
    });
    const picture = path.join(hub.modelsDir, 'potion.png');
    const drawn = await run(
      'generate',
      'a potion',
      '--model',
      'some/tiny',
      '--steps',
      '2',
      '--url',
      url,
      '-o',
      picture,
    );
    child.kill('SIGTERM');
    await ended;
    expect(drawn).toMatchObject({ code: 0, stdout: `${picture}\n` });
    expect(await sharp(picture).metadata()).toMatchObject({ format: 'png', width: 64 });
  });

  test('knows the names that git gives to blobs', async () => {
    const name = execFileSync('git', ['hash-object', '--stdin'], { input: tiny['model_index.json'] }).toString().trim();
    await using hub = await setUp();
    const client = new Hub({ endpoint: hub.server.url, signal: new AbortController().signal });
    const { files } = await client.list('some/tiny', 'main');
    expect(files.find((file) => file.path === 'model_index.json')?.checksum).toEqual({
      algorithm: 'gitBlob',
      hex: name,
    });
  });

  test('goes on where a connection was cut', async () => {
    await using hub = await setUp();
    hub.server.does.cut = { path: unet, afterBytes: 700_000, times: 2 };
    await hub.fetch();
    const [first, second, third] = asked(hub.server, unet);
    expect(first?.range).toBeUndefined();
    for (const { range } of [second!, third!]) expect(Number(/^bytes=(\d+)-$/.exec(range!)![1])).toBeGreaterThan(0);
    expect(fetched(hub.modelsDir)[unet]).toBe(digests(tiny)[unet]);
  });

  test('goes on where Ctrl-C has stopped it, and fetches nothing twice', async () => {
    await using hub = await setUp();
    hub.server.does.slow = { everyBytes: 100_000, ms: 1_000 };
    const { child, ended } = hub.begin(['some/tiny']);
    await expect
      .poll(() => bytesOf(path.join(hub.modelsDir, '.incoming'), /diffusion_pytorch_model/))
      .toBeGreaterThan(0);
    child.kill('SIGINT');
    expect(await ended).toMatchObject({
      code: 130,
      stdout: '',
      stderr: expect.stringContaining('resumes the download'),
    });
    expect(await readdir(hub.modelsDir)).toEqual(['.incoming']);
    delete hub.server.does.slow;
    const before = hub.server.requests.length;
    expect(await hub.pull(['some/tiny'])).toMatchObject({ code: 0, stdout: 'local:tiny@1\n' });
    const again = hub.server.requests.slice(before).filter(({ path }) => path.includes('/resolve/'));
    expect(again.some(({ path }) => path.endsWith('.json'))).toBe(false);
    expect(again.find(({ at, path }) => at === 'cdn' && path.endsWith(unet))?.range).toMatch(/^bytes=[1-9]\d*-$/);
    expect(fetched(hub.modelsDir)[unet]).toBe(digests(tiny)[unet]);
    expect(await readdir(hub.modelsDir)).toEqual(['models.json', 'tiny']);
  });

  test('begins a file anew where the server ignores ranges', async () => {
    await using hub = await setUp();
    hub.server.does.cut = { path: unet, afterBytes: 500_000, times: 1 };
    hub.server.does.ignoresRange = true;
    await hub.fetch();
    expect(asked(hub.server, unet)).toHaveLength(2);
    expect(fetched(hub.modelsDir)[unet]).toBe(digests(tiny)[unet]);
  });

  test('fetches a file with a wrong checksum once more, and then keeps nothing of it', async () => {
    await using hub = await setUp();
    hub.server.does.spoils = { path: unet, times: 1 };
    await hub.fetch();
    expect(fetched(hub.modelsDir)[unet]).toBe(digests(tiny)[unet]);

    await using other = await setUp();
    other.server.does.spoils = { path: unet, times: 9 };
    await expect(other.fetch()).rejects.toThrow(`${unet} arrived damaged twice: its checksum is wrong.`);
    expect(asked(other.server, unet)).toHaveLength(2);
    expect(await readdir(path.join(other.modelsDir, '.incoming', `tiny@${commit.slice(0, 12)}`, 'unet'))).toEqual([
      'config.json',
    ]);
  });

  test('takes sizes and checksums from the downloads where the listing has none', async () => {
    await using hub = await setUp();
    hub.server.does.terse = true;
    hub.server.does.spoils = { path: unet, times: 1 };
    await hub.fetch();
    expect(asked(hub.server, unet)).toHaveLength(2);
    expect(fetched(hub.modelsDir)[unet]).toBe(digests(tiny)[unet]);
  });

  test('sends the token to the endpoint, and not where that redirects to', async () => {
    await using hub = await setUp({ token: 'hf_secret' });
    const { code, stdout, stderr } = await hub.pull(['some/tiny'], { HF_TOKEN: 'hf_secret' });
    expect(code).toBe(0);
    const seen = (at: string) => hub.server.requests.filter((request) => request.at === at);
    expect(new Set(seen('hub').map(({ authorization }) => authorization))).toEqual(new Set(['Bearer hf_secret']));
    expect(seen('cdn').length).toBeGreaterThan(2);
    expect(seen('cdn').some(({ authorization }) => authorization !== undefined)).toBe(false);
    expect(stdout + stderr).not.toContain('secret');
  });

  test.each([
    ['a gated repository', { token: 'hf_a', gated: true }, ['some/tiny'], {}, /is gated.*set HF_TOKEN/],
    ['a private one', { token: 'hf_a' }, ['some/tiny'], {}, /private or gated, or there is no such.*Set HF_TOKEN/],
    ['a wrong token', { token: 'hf_a' }, ['some/tiny'], { HF_TOKEN: 'hf_b' }, /does not let HF_TOKEN read some\/tiny/],
    ['an unknown repository', {}, ['some/other'], {}, /There is no repository some\/other/],
    ['an unknown revision', {}, ['some/tiny@v9'], {}, /some\/tiny has no revision v9/],
    ['an unknown variant', {}, ['some/tiny', '--variant', 'fp16'], {}, /no weights of the variant fp16.*non_ema/],
  ])('says in a sentence what is wrong: %s', async (_, options, args, env, sentence) => {
    await using hub = await setUp(options);
    const { code, stdout, stderr } = await hub.pull(args, env);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(sentence);
    expect(stderr).not.toMatch(/hf_[ab]\b/);
  });

  test.each([
    [{ HF_TOKEN: 'hf_secret\n' }, /HF_TOKEN has invalid characters/],
    [{ HF_ENDPOINT: 'http://me:secret@127.0.0.1:9' }, /HF_ENDPOINT must not hold a user name or password/],
    [{ HF_ENDPOINT: 'the hub' }, /HF_ENDPOINT must be an http or https URL/],
  ])('shows no secret where variables are wrong: %j', async (env, sentence) => {
    await using hub = await setUp();
    const { code, stdout, stderr } = await hub.pull(['some/tiny'], env as Record<string, string>);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(sentence);
    expect(stderr).not.toContain('secret');
    expect(hub.server.requests).toEqual([]);
  });

  test('gives up after a few attempts where nothing answers, and waits for what passes', async () => {
    await using hub = await setUp();
    hub.server.does.fails = { status: 503, times: 3 };
    await hub.fetch();
    hub.server.does.fails = { status: 429, times: 100, headers: { 'retry-after': '0' } };
    await expect(hub.fetch()).rejects.toThrow(/status 429, too many requests/);
    expect(hub.server.does.fails.times).toBe(95);
    const { signal } = new AbortController();
    const nobody = new Hub({ endpoint: 'http://127.0.0.1:9', signal, retryDelayMs: 1 });
    await expect(nobody.list('some/tiny', 'main')).rejects.toThrow(/127\.0\.0\.1:9 cannot be reached.*network/);
  });

  test('counts a download as cut that brings nothing any more', async () => {
    await using hub = await setUp();
    hub.server.does.slow = { everyBytes: 1_000_000, ms: 3_000 };
    const { signal } = new AbortController();
    const client = new Hub({ endpoint: hub.server.url, signal, retryDelayMs: 1, stallMs: 1_000 });
    const { download } = await import('../../clients/cli/models/download.ts');
    const meter = { advance() {}, skip() {}, say() {} };
    const repository = await client.list('some/tiny', 'main');
    const file = repository.files.find(({ path }) => path === unet)!;
    const target = path.join(hub.modelsDir, 'unet');
    await download(client, repository, file, target, meter);
    expect(asked(hub.server, unet).length).toBeGreaterThan(1);
    expect((await readFile(target)).equals(tiny[unet]!)).toBe(true);
  });

  test.each(['../evil.json', '/etc/evil.json', 'unet/../../evil', 'a\\..\\evil', 'C:evil', 'a//b', 'a/./b', ''])(
    'refuses a repository with the path %j, whole',
    async (evil) => {
      await using hub = await setUp();
      hub.server.does.evilPaths = [evil];
      await expect(hub.fetch()).rejects.toThrow('has a file with a path outside its folder');
      expect(await readdir(hub.modelsDir)).toEqual([]);
    },
  );

  test('stops before the weights where the pipeline is not one of those that run here', async () => {
    const index = Buffer.from(
      JSON.stringify({ ...JSON.parse(String(tiny['model_index.json'])), _class_name: 'WanPipeline' }),
    );
    await using hub = await setUp({ repositories: { 'some/video': { ...tiny, 'model_index.json': index } } });
    await expect(hub.fetch()).rejects.toThrow(/some\/video cannot be used: .*WanPipeline/);
    expect(hub.server.requests.some(({ at }) => at === 'cdn')).toBe(false);
    expect(await readdir(hub.modelsDir)).toEqual([]);
  });

  test('fetches the shards that the index of the wished variant names', async () => {
    const [first, second] = inTwo(tiny[unet]!);
    const { [unet]: _, ...rest } = tiny;
    const index = { weight_map: { ...first.names('a.safetensors'), ...second.names('b.safetensors') } };
    await using hub = await setUp({
      repositories: {
        'some/sharded': {
          ...rest,
          'unet/a.safetensors': first.bytes,
          'unet/b.safetensors': second.bytes,
          'unet/c.safetensors': noise,
          'unet/diffusion_pytorch_model.safetensors.index.fp16.json': Buffer.from(JSON.stringify(index)),
          'unet/diffusion_pytorch_model.safetensors.index.json': Buffer.from('{"weight_map":{"x":"c.safetensors"}}'),
        },
      },
    });
    await hub.fetch({ variant: 'fp16' });
    const folder = path.join(hub.modelsDir, 'tiny');
    expect(await readdir(path.join(folder, 'unet'))).toEqual([
      'a.safetensors',
      'b.safetensors',
      'config.json',
      'diffusion_pytorch_model.safetensors.index.fp16.json',
    ]);
    const { available, reason } = await describeModel(folder);
    expect({ available, reason }).toEqual({ available: true, reason: undefined });
  });

  test('fetches the one file of a LoRA', async () => {
    const file = path.join(await mkdtemp(path.join(os.tmpdir(), 'latentwire-lora-')), 'lora.safetensors');
    const layer = 'unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k';
    await writeSafetensors(file, [
      [`${layer}.lora_A.weight`, { dtype: 'F32', shape: [2, 768], bytes: new Uint8Array(2 * 768 * 4) }],
      [`${layer}.lora_B.weight`, { dtype: 'F32', shape: [320, 2], bytes: new Uint8Array(320 * 2 * 4) }],
    ]);
    const lora = await readFile(file);
    await rm(path.dirname(file), { recursive: true });
    const files = { 'README.md': Buffer.from('x'), 'pytorch_lora_weights.safetensors': lora, 'optimizer.bin': noise };
    await using hub = await setUp({ repositories: { 'some/style': files } });
    expect(await hub.pull(['some/style'])).toMatchObject({ code: 0, stdout: 'local:style@1\n' });
    expect(await readdir(hub.modelsDir)).toEqual(['models.json', 'style.safetensors']);
    expect(await describeModel(path.join(hub.modelsDir, 'style.safetensors'))).toMatchObject({ kind: 'lora' });
  });

  test('takes the name of a taken model for no model of its own', async () => {
    await using hub = await setUp();
    await writeFile(path.join(hub.modelsDir, 'tiny.safetensors'), 'mine');
    const { code, stderr } = await hub.pull(['some/tiny']);
    expect({ code, requests: hub.server.requests.length }).toEqual({ code: 1, requests: 0 });
    expect(stderr).toContain('exists already');
    expect(await readFile(path.join(hub.modelsDir, 'tiny.safetensors'), 'utf8')).toBe('mine');
  });
});

describe('of a repository are taken', () => {
  const wishes = { include: [], exclude: [] };
  const weights = (...names: string[]) => ['config.json', ...names];

  test.each<[string, string[], object, string[]]>([
    [
      'the config and weights of a network of its own',
      [...weights('diffusion_pytorch_model.safetensors'), 'README.md'],
      {},
      weights('diffusion_pytorch_model.safetensors'),
    ],
    [
      'the weights without a variant',
      weights('diffusion_pytorch_model.fp16.safetensors', 'diffusion_pytorch_model.safetensors'),
      {},
      weights('diffusion_pytorch_model.safetensors'),
    ],
    [
      'the variant wished for',
      weights('diffusion_pytorch_model.fp16.safetensors', 'diffusion_pytorch_model.safetensors'),
      { variant: 'fp16' },
      weights('diffusion_pytorch_model.fp16.safetensors'),
    ],
    [
      'the only variant there is',
      weights('diffusion_pytorch_model.bf16.safetensors'),
      {},
      weights('diffusion_pytorch_model.bf16.safetensors'),
    ],
    [
      'the one file',
      ['README.md', 'pytorch_lora_weights.safetensors', 'x.bin'],
      {},
      ['pytorch_lora_weights.safetensors'],
    ],
    ['the file chosen among several', ['a.safetensors', 'b.safetensors'], { include: ['b.*'] }, ['b.safetensors']],
    ['the file that is left', ['a.safetensors', 'b.safetensors'], { exclude: ['b.safetensors'] }, ['a.safetensors']],
  ])('%s', (_, files, more, expected) => {
    expect(select(files, undefined, { ...wishes, ...more }).paths).toEqual(expected);
  });

  test.each<[string, string[], object, RegExp]>([
    ['several files', ['a.safetensors', 'b.safetensors'], {}, /Choose one with --include. Files: a.safetensors, b/],
    ['pickles', ['a.ckpt'], {}, /only pickled weights \(a\.ckpt\)/],
    ['pickles, also when asked for', ['a.ckpt'], { include: ['*.ckpt'] }, /is a pickle/],
    ['nothing', ['README.md'], {}, /neither a diffusers pipeline nor a \.safetensors or \.gguf file/],
    ['what does not fit', ['a.safetensors'], { include: ['b*'] }, /No file matches --include b\*/],
  ])('not %s, with a sentence', (_, files, more, sentence) => {
    expect(() => select(files, undefined, { ...wishes, ...more })).toThrow(sentence);
  });

  test('not components that have pickles alone', () => {
    const index = { _class_name: 'StableDiffusionPipeline', unet: ['diffusers', 'UNet2DConditionModel'] };
    const files = ['unet/config.json', 'unet/diffusion_pytorch_model.bin'];
    expect(() => select(files, index, wishes)).toThrow('The unet has only unet/diffusion_pytorch_model.bin. Pickled');
  });

  test('the exported graphs of a component without safetensors', () => {
    const index = { unet: ['diffusers', 'OnnxRuntimeModel'] };
    const files = ['unet/config.json', 'unet/model.onnx', 'unet/model.onnx_data', 'unet/other.onnx'];
    expect(select(files, index, wishes).paths).toEqual(['model_index.json', ...files.slice(0, 3)]);
  });

  test('no shards from elsewhere', () => {
    const shards = (name: string) =>
      shardsOf('unet/i.json', JSON.stringify({ weight_map: { x: name } }), ['unet/a', 'b']);
    expect(shards('a')).toEqual(['unet/a']);
    for (const name of ['../b', 'b', 'c']) expect(() => shards(name)).toThrow('which is not beside it');
  });
});

/** A safetensors file as two that hold half of the tensors each. */
function inTwo(file: Buffer) {
  const headerEnd = 8 + Number(file.readBigUInt64LE(0));
  const header = JSON.parse(file.toString('utf8', 8, headerEnd)) as Record<string, { data_offsets: [number, number] }>;
  const { __metadata__: _, ...tensors } = header;
  const all = Object.entries(tensors);
  const half = Math.floor(all.length / 2);
  const make = (some: typeof all) => {
    let at = 0;
    const parts: Buffer[] = [];
    const entries = some.map(([name, tensor]) => {
      const [begin, end] = tensor.data_offsets;
      parts.push(file.subarray(headerEnd + begin, headerEnd + end));
      const offsets = [at, at + end - begin];
      at += end - begin;
      return [name, { ...tensor, data_offsets: offsets }];
    });
    const text = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(text.length));
    return {
      bytes: Buffer.concat([length, text, ...parts]),
      names: (shard: string) => Object.fromEntries(some.map(([name]) => [name, shard])),
    };
  };
  return [make(all.slice(0, half)), make(all.slice(half))] as const;
}
