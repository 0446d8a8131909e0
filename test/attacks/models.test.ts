import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'vitest';
import { startDescriber, startRuntime } from '../../runtime/index.ts';
import { machineClock } from '../../runtime/process/clock.ts';
import { ManualClock } from '../helpers/clock.ts';
import { modelFolder, modelsFolder } from '../helpers/goldens.ts';
import { imageTask, startTestServer } from '../helpers/server.ts';
import { type Content, readContents, writeSafetensors } from '../helpers/singleFile.ts';
import { type Attack, attackTable, type Target } from './table.ts';

/** A server whose models folder the attacker can write to, as by a download. */
interface ModelsTarget extends Target {
  /** Copies a good model, changes the copy, and tells how a task that names it ends; the copy is deleted. */
  plant(change: (folder: string) => Promise<unknown>): Promise<string>;
}

async function openModels(): Promise<ModelsTarget> {
  const modelsDir = await mkdtemp(path.join(tmpdir(), 'latentwire-hostile-'));
  await cp(modelFolder('tiny-sd15'), path.join(modelsDir, 'tiny'), { recursive: true });
  const describer = startDescriber();
  const clock = new ManualClock();
  const server = await startTestServer({
    clock,
    modelsDir: [modelsDir],
    describe: (folder) => describer.describe(folder),
  });
  let planted = 0;
  return {
    server,
    async plant(change) {
      const name = `planted${++planted}`;
      const folder = path.join(modelsDir, name);
      await cp(modelFolder('tiny-sd15'), folder, { recursive: true });
      await change(folder);
      await clock.advance(3_000);
      const { body } = await server.post([imageTask({ model: name })]);
      const [error] = body.errors ?? [];
      await rm(folder, { recursive: true });
      return error === undefined ? 'drawn' : `${error.code}: ${error.message}`;
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await describer.close();
      await rm(modelsDir, { recursive: true });
    },
  };
}

/** Writes JSON as it is given, so that 1e999 can stand in it. */
function json(file: string, changes: Record<string, string>) {
  return async (folder: string) => {
    const before = JSON.parse(await readFile(path.join(folder, file), 'utf8').catch(() => '{}'));
    const kept = Object.entries(before).filter(([key]) => !Object.hasOwn(changes, key));
    const fields = [...kept.map(([key, value]) => [key, JSON.stringify(value)]), ...Object.entries(changes)];
    const text = fields.map(([key, value]) => `${JSON.stringify(key)}: ${value}`).join(', ');
    await writeFile(path.join(folder, file), `{${text}}`);
  };
}

const refused = (reason: RegExp) => expect.stringMatching(new RegExp(`^modelUnavailable: .*${reason.source}`, 's'));

function config(file: string, changes: Record<string, string>, reason: RegExp): Attack<ModelsTarget> {
  const told = Object.entries(changes).map(([key, value]) => `${key}: ${value.slice(0, 40)}`);
  return {
    attack: `plants a model whose ${file} says ${told.join(', ')}`,
    expected: refused(reason),
    run: ({ plant }) => plant(json(file, changes)),
  };
}

const schedule = 'scheduler/scheduler_config.json';
const [unet, vae, text] = ['unet', 'vae', 'text_encoder'].map((part) => `${part}/config.json`) as [
  string,
  string,
  string,
];

attackTable('numbers in the configs of a model', openModels, [
  config(
    schedule,
    { num_train_timesteps: '60000000' },
    /num_train_timesteps: 60000000; it must be a whole number from 1 to 10000/,
  ),
  config(schedule, { num_train_timesteps: '"1000"' }, /num_train_timesteps: "1000"; it must be a whole/),
  config(schedule, { num_train_timesteps: '0' }, /num_train_timesteps: 0;/),
  config(schedule, { num_train_timesteps: '999.5' }, /num_train_timesteps: 999\.5;/),
  config(schedule, { beta_start: '"a lot"' }, /beta_start: "a lot"; it must be a number/),
  config(schedule, { beta_start: '1e999' }, /beta_start: null; it must be a number/),
  config(schedule, { beta_end: '-1' }, /beta_end: -1;/),
  config(schedule, { beta_end: '[0.1]' }, /beta_end: \[0\.1\];/),
  config(schedule, { beta_start: '1e-8', beta_end: '1e-8' }, /a noise schedule that does not increase/),
  config(schedule, { beta_schedule: '"steep"' }, /no valid noise schedule: .*"steep"; known are linear/),
  config(schedule, { trained_betas: '[0.1, 0.2, 0.3]' }, /3 trained_betas, but num_train_timesteps is 1000/),
  config(schedule, { trained_betas: '["x"]' }, /trained_betas: \["x"\]; it must be a list/),
  config(schedule, { solver_order: '1000000000' }, /solver_order: 1000000000; it must be a whole number from 1 to 3/),
  config(unet, { norm_num_groups: '0' }, /unet cannot be used: its config says norm_num_groups: 0/),
  config(unet, { norm_num_groups: '7' }, /7 groups do not divide 16 channels/),
  config(unet, { attention_head_dim: '1000000000' }, /attention_head_dim: 1000000000;/),
  config(unet, { attention_head_dim: '[[[[1]]]]' }, /attention_head_dim: \[\[\[\[1\]\]\]\]; it must be/),
  config(
    unet,
    { addition_embed_type: '"text_time"', addition_time_embed_dim: '2000000000' },
    /addition_time_embed_dim: 2000000000;/,
  ),
  config(unet, { time_cond_proj_dim: '2000000000' }, /time_cond_proj_dim: 2000000000;/),
  config(unet, { out_channels: '100000000' }, /out_channels: 100000000;/),
  config(unet, { out_channels: '8' }, /out_channels: 8, but the weights have 4/),
  config(unet, { sample_size: '1000000000' }, /sample_size: 1000000000;/),
  config(
    unet,
    { down_block_types: `[${new Array(1000).fill('"DownBlock2D"')}]` },
    /down_block_types: .*a list of at most 8 words/,
  ),
  config(vae, { block_out_channels: `[${new Array(1100).fill(8)}]` }, /block_out_channels: .*a list of at most 8/),
  config(vae, { scaling_factor: '0' }, /scaling_factor: 0; it must be a number from/),
  config(vae, { shift_factor: '"x"' }, /shift_factor: "x";/),
  config(vae, { latents_std: '[0, 0, 0, 0]' }, /latents_std: \[0,0,0,0\];/),
  config(
    vae,
    { latent_channels: '5' },
    /4 channels, but the autoencoder has 5|latent_channels: 5, but the weights have 4/,
  ),
  config(text, { max_position_embeddings: '1000000000' }, /max_position_embeddings: 1000000000;/),
  config(text, { max_position_embeddings: '2' }, /max_position_embeddings: 2; it must be a whole number from 3/),
  config(text, { max_position_embeddings: '500' }, /max_position_embeddings: 500, but the weights have 77/),
  config(text, { num_attention_heads: '0' }, /num_attention_heads: 0;/),
  config('latentwire.json', { defaultWidth: '1000000000' }, /latentwire\.json says defaultWidth: 1000000000;/),
  config('latentwire.json', { defaultHeight: '100' }, /defaultHeight: 100; it must be a multiple of 8/),
  config('latentwire.json', { latentRgbFactors: '[[1e999, 0, 0]]' }, /latentRgbFactors: .*it must be a list/),
  config('latentwire.json', { scheduler: '{"num_train_timesteps": 60000000}' }, /num_train_timesteps: 60000000;/),
]);

/** Takes `vocab.json` and `merges.txt` away and describes the same vocabulary in `tokenizer.json`. */
function tokenizer(changes: Record<string, unknown>) {
  return async (folder: string) => {
    const own = path.join(folder, 'tokenizer');
    const vocab = JSON.parse(await readFile(path.join(own, 'vocab.json'), 'utf8'));
    for (const name of ['vocab.json', 'merges.txt']) await rm(path.join(own, name));
    const model = { type: 'BPE', unk_token: '<|endoftext|>', end_of_word_suffix: '</w>', vocab, merges: [] };
    await writeFile(path.join(own, 'tokenizer.json'), JSON.stringify({ added_tokens: [], model, ...changes }));
  };
}

const vocabulary = (change: (vocab: Record<string, unknown>) => void) => async (folder: string) => {
  const file = path.join(folder, 'tokenizer', 'vocab.json');
  const vocab = JSON.parse(await readFile(file, 'utf8'));
  change(vocab);
  await writeFile(file, JSON.stringify(vocab));
};

attackTable('the tokenizer of a model', openModels, [
  {
    attack: 'plants a tokenizer.json without rules of its own, which is one like any other',
    expected: 'drawn',
    run: ({ plant }) => plant(tokenizer({})),
  },
  {
    attack: 'plants a regular expression that takes a minute for 30 letters, as the way to cut texts',
    expected: refused(/tokenizer\.json has a pre_tokenizer that is not CLIP's/),
    run: ({ plant }) =>
      plant(
        tokenizer({
          pre_tokenizer: { type: 'Split', pattern: { Regex: '(a+)+$' }, behavior: 'Removed', invert: true },
        }),
      ),
  },
  {
    attack: 'plants such a regular expression as a replacement, deep in a sequence',
    expected: refused(/tokenizer\.json has a normalizer that is not CLIP's/),
    run: ({ plant }) => {
      const replace = { type: 'Replace', pattern: { Regex: '(x+x+)+y' }, content: ' ' };
      return plant(tokenizer({ normalizer: { type: 'Sequence', normalizers: [{ type: 'NFC' }, replace] } }));
    },
  },
  {
    attack: 'plants a sequence in a sequence, to hide one',
    expected: refused(/tokenizer\.json has a pre_tokenizer that is not CLIP's/),
    run: ({ plant }) => {
      const inner = { type: 'Sequence', pretokenizers: [{ type: 'Split', pattern: { Regex: '(a+)+$' } }] };
      return plant(tokenizer({ pre_tokenizer: { type: 'Sequence', pretokenizers: [inner] } }));
    },
  },
  {
    attack: 'plants the vocabulary of another kind of tokenizer',
    expected: refused(/tokenizer\.json does not have the form of CLIP/),
    run: ({ plant }) => plant(tokenizer({ model: { type: 'WordPiece', vocab: { a: 0 }, merges: [] } })),
  },
  {
    attack: 'plants merges that are no pairs',
    expected: refused(/which is not a pair of tokens/),
    run: ({ plant }) =>
      plant(
        tokenizer({ model: { type: 'BPE', end_of_word_suffix: '</w>', vocab: { a: 0 }, merges: [['a', 'b', 'c']] } }),
      ),
  },
  {
    attack: 'plants an id below 0',
    expected: refused(/gives "a" the id -1/),
    run: ({ plant }) => plant(vocabulary((vocab) => Object.assign(vocab, { a: -1 }))),
  },
  {
    attack: 'plants an id that is a text',
    expected: refused(/gives "a" the id "seven"/),
    run: ({ plant }) => plant(vocabulary((vocab) => Object.assign(vocab, { a: 'seven' }))),
  },
  {
    attack: 'plants an id that the text encoder does not have',
    expected: refused(/has ids up to 5000, but the text encoder knows 1000 words/),
    run: ({ plant }) => plant(vocabulary((vocab) => Object.assign(vocab, { a: 5000 }))),
  },
  {
    attack: 'plants rows of one token, which no text could ever fill',
    expected: refused(/model_max_length: 1; it must be a number from 3/),
    run: ({ plant }) => plant(json('tokenizer/tokenizer_config.json', { model_max_length: '1' })),
  },
  {
    attack: 'plants a length that is no number',
    expected: refused(/model_max_length: "long"/),
    run: ({ plant }) => plant(json('tokenizer/tokenizer_config.json', { model_max_length: '"long"' })),
  },
]);

const inFolder = (file: string, change: (file: string) => Promise<unknown>) => (folder: string) =>
  change(path.join(folder, file));

const weights = 'unet/diffusion_pytorch_model.safetensors';

/** Changes tensors of the UNet. */
const tensors = (change: (tensors: Map<string, Content>) => void) =>
  inFolder(weights, async (file) => {
    const contents = await readContents(file);
    change(contents);
    await writeSafetensors(file, contents);
  });

attackTable('the files of a model', openModels, [
  {
    attack: 'plants a config of 5 MB',
    expected: refused(/unet\/config\.json has \d+ bytes, which is too many/),
    run: ({ plant }) => plant(inFolder(unet, (file) => writeFile(file, `{"a": "${'x'.repeat(5 * 2 ** 20)}"}`))),
  },
  {
    attack: 'plants a pipe that is never written to',
    expected: refused(/unet\/config\.json is not a file/),
    run: ({ plant }) =>
      plant(
        inFolder(unet, async (file) => {
          await rm(file);
          execFileSync('mkfifo', [file]);
        }),
      ),
  },
  {
    attack: 'plants a pipe in a folder of which only its config tells what it is',
    expected: expect.stringMatching(/^modelNotFound: /),
    run: ({ plant }) =>
      plant(async (folder) => {
        await rm(path.join(folder, 'model_index.json'));
        execFileSync('mkfifo', [path.join(folder, 'config.json')]);
      }),
  },
  {
    attack: 'plants a pipe among the files of weights',
    expected: refused(/The unet is missing/),
    run: ({ plant }) =>
      plant(
        inFolder(weights, async (file) => {
          await rm(file);
          execFileSync('mkfifo', [file]);
        }),
      ),
  },
  {
    attack: 'plants a link to a device that never ends',
    expected: refused(/scheduler_config\.json is not a file/),
    run: ({ plant }) =>
      plant(
        inFolder(schedule, async (file) => {
          await rm(file);
          await symlink('/dev/zero', file);
        }),
      ),
  },
  {
    attack: 'plants a folder in place of a config',
    expected: refused(/vae\/config\.json is not a file/),
    run: ({ plant }) =>
      plant(
        inFolder(vae, async (file) => {
          await rm(file);
          await mkdir(file);
        }),
      ),
  },
  {
    attack: 'plants a config of brackets within brackets, a million deep',
    expected: refused(/model_index\.json is not a JSON object/),
    run: ({ plant }) => plant(inFolder('model_index.json', (file) => writeFile(file, '['.repeat(1_000_000)))),
  },
  {
    attack: 'plants weights that are whole numbers, which nothing here computes with',
    expected: refused(/"conv_in\.bias" is stored as I8, which is not supported/),
    run: ({ plant }) =>
      plant(
        tensors((contents) => {
          const { shape } = contents.get('conv_in.bias')!;
          contents.set('conv_in.bias', { dtype: 'I8', shape, bytes: new Uint8Array(shape[0]!) });
        }),
      ),
  },
  {
    attack: 'plants a tensor that claims 10^15 channels and holds none',
    expected: refused(/"conv_in\.weight" has the shape \[1000000000000000, 0, 3, 3\], which has no values/),
    run: ({ plant }) =>
      plant(
        tensors((contents) => {
          contents.set('conv_in.weight', { dtype: 'F32', shape: [1e15, 0, 3, 3], bytes: new Uint8Array(0) });
        }),
      ),
  },
  {
    attack: 'plants weights with a header of 17 MB',
    expected: refused(/its header claims \d+ bytes, which is too long/),
    run: ({ plant }) =>
      plant(
        inFolder(weights, async (file) => {
          const header = Buffer.from(`{${' '.repeat(17_000_000)}}`);
          const length = Buffer.alloc(8);
          length.writeBigUInt64LE(BigInt(header.length));
          await writeFile(file, Buffer.concat([length, header]));
        }),
      ),
  },
  {
    attack: 'plants weights cut short',
    expected: refused(/may be truncated/),
    run: ({ plant }) =>
      plant(inFolder(weights, async (file) => writeFile(file, (await readFile(file)).subarray(0, 5_000)))),
  },
  {
    attack: 'plants a model that is whole, which is one like any other',
    expected: 'drawn',
    run: ({ plant }) => plant(async () => {}),
  },
]);

/** A server with a real runtime of little memory, and tasks for it. */
async function openSmall(): Promise<Target & { end(task: Record<string, unknown>): Promise<unknown> }> {
  const modelsDir = await mkdtemp(path.join(tmpdir(), 'latentwire-small-'));
  await cp(modelFolder('tiny-sd15'), path.join(modelsDir, 'tiny'), { recursive: true });
  await cp(path.join(modelsFolder, 'tiny-taesd'), path.join(modelsDir, 'taesd'), { recursive: true });
  const describer = startDescriber();
  const runtime = startRuntime({ provider: 'cpu', threads: 1, log: () => {}, memoryLimitBytes: 300e6 });
  const server = await startTestServer({
    runtime,
    modelsDir: [modelsDir],
    describe: (folder) => describer.describe(folder),
    maxOutputPixels: 1024 * 1024,
  });
  return {
    server,
    async end(task) {
      const { body } = await server.post([imageTask({ steps: 1, ...task })]);
      const [error] = body.errors ?? [];
      if (error === undefined) return 'drawn';
      const { code, parameter, max, allowedValues } = error;
      return { code, parameter, ...(max !== undefined && { max }), ...(allowedValues && { allowedValues }) };
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await runtime.close();
      await describer.close();
      await rm(modelsDir, { recursive: true });
    },
  };
}

const size = (width: number, height: number) => ({ width, height });
const tooLarge = (parameter: 'width' | 'height', max: unknown) => ({
  code: parameter === 'width' ? 'invalidWidth' : 'invalidHeight',
  parameter,
  max,
});
/** What fits by the estimate, which may become better. */
const some = expect.any(Number);

type Small = Awaited<ReturnType<typeof openSmall>>;

function task(attack: string, changes: Record<string, unknown>, expected: unknown): Attack<Small> {
  return { attack, expected, run: ({ end }) => end(changes) };
}

attackTable('tasks that ask for more than the machine has', openSmall, [
  task('asks for more pixels than the server draws', size(2048, 2048), tooLarge('width', 512)),
  task('asks for a long picture of more pixels than it draws', size(704, 1536), tooLarge('height', 1488)),
  task('asks for a picture that does not fit into the memory limit', size(1024, 1024), tooLarge('width', some)),
  task('asks for a high one that does not fit', size(512, 2048), tooLarge('height', some)),
  task('asks for a wide one that does not fit', size(2048, 512), tooLarge('width', some)),
  task('asks for four of them', { ...size(1024, 1024), numberResults: 4 }, tooLarge('width', some)),
  task('asks for a picture that fits', size(256, 256), 'drawn'),
  task('asks for sharp previews', { ...size(256, 256), previews: { decoder: 'tiny' } }, 'drawn'),
  task('asks for them in capitals', { ...size(128, 128), previews: { decoder: 'TINY' } }, 'drawn'),
  task(
    'asks for previews by a decoder that does not exist',
    { previews: { decoder: 'sharp' } },
    { code: 'invalidPreviews', parameter: 'previews.decoder', allowedValues: ['linear', 'tiny'] },
  ),
  task(
    'asks for previews by what every object has',
    { previews: { decoder: 'toString' } },
    { code: 'invalidPreviews', parameter: 'previews.decoder', allowedValues: ['linear', 'tiny'] },
  ),
  task(
    'asks for previews by a decoder that is no text',
    { previews: { decoder: ['tiny'] } },
    { code: 'invalidPreviews', parameter: 'previews.decoder', allowedValues: ['linear', 'tiny'] },
  ),
  {
    attack: 'has chosen such a decoder for the whole session',
    expected: { code: 'invalidPreviews', parameter: 'previews.decoder' },
    async run({ server }) {
      const socket = await server.socket({ authenticate: false });
      const { errors } = await socket.authenticate({ previews: { decoder: 'sharp' } });
      socket.terminate();
      return { code: errors?.[0]?.code, parameter: errors?.[0]?.parameter };
    },
  },
]);

/** A runtime process that draws black, and dies of pictures of more than 1024² pixels and of the model `deadly`. */
const dying = `process.on('disconnect', () => process.exit(0));
process.on('message', ({ type, run, request }) => {
  if (type === 'start') process.send({ type: 'ready', provider: 'cpu', reason: 'a test asked for it' });
  if (type !== 'generate') return;
  const { model, width, height } = request;
  process.send({ type: 'reported', run, event: { type: 'staged', stage: 'decoding' } });
  if (width * height > 1024 * 1024 || model.endsWith('deadly')) process.kill(process.pid, 'SIGKILL');
  const timings = ${JSON.stringify({ loadingMs: 0, encodingMs: 0, denoisingMs: 0, decodingMs: 0 })};
  const pixels = { width, height, data: new Uint8Array(width * height * 3) };
  process.send({ type: 'reported', run, event: { type: 'finished', pixels, timings } });
});`;

/** Waits no longer than it must before it starts the next process. */
const eager = {
  now: () => performance.now(),
  after: (ms: number, run: () => void) => machineClock.after(ms > 60_000 ? ms : 0, run),
};

async function openDying(): Promise<Target & { ends(task: Record<string, unknown>): Promise<unknown> }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'latentwire-dying-'));
  for (const name of ['tiny', 'deadly'])
    await cp(modelFolder('tiny-sd15'), path.join(folder, name), { recursive: true });
  const program = path.join(folder, 'dying.mjs');
  await writeFile(program, dying);
  const runtime = startRuntime({ provider: 'cpu', threads: 1, log: () => {} }, program, eager);
  const server = await startTestServer({ runtime, modelsDir: [folder] });
  return {
    server,
    async ends(changes) {
      const { body } = await server.post([imageTask(changes)]);
      const [error] = body.errors ?? [];
      if (error === undefined) return 'drawn';
      return [error.code, error.parameter, error.retryAfterMs === undefined ? 'for good' : 'for a while'];
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await runtime.close();
      await rm(folder, { recursive: true });
    },
  };
}

type Dying = Awaited<ReturnType<typeof openDying>>;

function deadly(attack: string, changes: Record<string, unknown>, expected: unknown): Attack<Dying> {
  return { attack, expected, run: ({ ends }) => ends(changes) };
}

const giant = size(2048, 2048);

attackTable('tasks that the runtime dies of', openDying, [
  deadly('asks for a picture that kills', giant, ['runtimeLost', 'width', 'for good']),
  deadly('asks for another one', giant, ['invalidWidth', 'width', 'for a while']),
  deadly('asks for it again', giant, ['invalidWidth', 'width', 'for a while']),
  deadly('asks for a smaller one of the same model', size(1024, 1024), 'drawn'),
  deadly('asks for ten small ones of the same model', { ...size(128, 128), numberResults: 10 }, 'drawn'),
  deadly('names a model that kills', { model: 'deadly' }, ['runtimeLost', undefined, 'for good']),
  deadly('names it again', { model: 'deadly' }, ['modelUnavailable', undefined, 'for a while']),
  deadly('names it for a smaller picture', { model: 'deadly', ...size(128, 128) }, [
    'modelUnavailable',
    undefined,
    'for a while',
  ]),
  {
    attack: 'asks what is set aside',
    expected: [
      { models: ['local:tiny@1'], fromPixels: 2048 * 2048, retryAfterMs: expect.any(Number) },
      { models: ['local:deadly@1'], retryAfterMs: expect.any(Number) },
    ],
    async run({ server }) {
      const { runtime } = await (await fetch(`${server.url}/health`)).json();
      return runtime.setAside.map(({ reason: _reason, ...rest }: { reason: string }) => rest);
    },
  },
]);
