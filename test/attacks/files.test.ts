import { cp, mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'vitest';
import { startDescriber, startRuntime } from '../../runtime/index.ts';
import { parts } from '../helpers/checkpointFiles.ts';
import { ManualClock } from '../helpers/clock.ts';
import { modelFolder } from '../helpers/goldens.ts';
import { noise, pngUri } from '../helpers/pictures.ts';
import { type NewTensor, writeSafetensors } from '../helpers/safetensors.ts';
import { imageTask, startTestServer } from '../helpers/server.ts';
import { writeGoldenSingleFile } from '../helpers/singleFile.ts';
import { type Attack, attackTable, type Target } from './table.ts';

/** A server with the real runtime, and a models folder that the attacker puts files into. */
interface FilesTarget extends Target {
  /**
   * Writes a file, names it in a task, and deletes it: how it is listed (its kind, and `can be used` or the reason), and how
   * the task ends.
   */
  plant(name: string, write: (file: string) => Promise<unknown>, task?: (name: string) => object): Promise<Planted>;
  /** Writes `models.json`, and tells the AIRs that are listed. */
  nameModels(text: string): Promise<string[]>;
}

interface Planted {
  listed: string;
  ended: string;
}

async function openFiles(): Promise<FilesTarget> {
  const modelsDir = await mkdtemp(path.join(tmpdir(), 'latentwire-hostile-files-'));
  await cp(modelFolder('tiny-sd15'), path.join(modelsDir, 'tiny'), { recursive: true });
  const describer = startDescriber();
  const runtime = startRuntime({ provider: 'cpu', threads: 1, log: () => {} });
  const clock = new ManualClock();
  const server = await startTestServer({
    clock,
    runtime,
    modelsDir: [modelsDir],
    describe: (file) => describer.describe(file),
  });
  const search = async (words: string) => {
    // What was seen of the folder counts for two seconds.
    await clock.advance(3_000);
    const task = { taskType: 'modelSearch', taskUUID: crypto.randomUUID(), search: words, limit: 100 };
    const { body } = await server.post([task]);
    type Found = { air: string; category: string; available: boolean; reason?: string };
    return (body.data![0] as unknown as { results: Found[] }).results;
  };
  return {
    server,
    async plant(name, write, task = (model) => ({ model })) {
      const file = path.join(modelsDir, name);
      await write(file);
      const stem = name.replace(/\.\w+$/, '');
      const [found] = await search(stem);
      const { body } = await server.post([imageTask({ steps: 1, ...task(stem) })]);
      const [error] = body.errors ?? [];
      await rm(file, { recursive: true });
      return {
        listed: found ? `${found.category}: ${found.available ? 'can be used' : found.reason}` : 'nothing',
        ended: error === undefined ? 'drawn' : `${error.code}: ${error.message}`,
      };
    },
    async nameModels(text) {
      const file = path.join(modelsDir, 'models.json');
      await writeFile(file, text);
      const found = await search('');
      await rm(file);
      return found.map(({ air }) => air).filter((air) => air !== 'local:pocket@1');
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await describer.close();
      await runtime.close();
      await rm(modelsDir, { recursive: true });
    },
  };
}

const matching = (pattern: RegExp) => expect.stringMatching(pattern);

/** Listed with the reason, and the task is refused with the same. */
function refused(category: string, reason: RegExp): Planted {
  return {
    listed: matching(new RegExp(`^${category}: .*${reason.source}`, 's')),
    ended: matching(new RegExp(`^modelUnavailable: .*${reason.source}`, 's')),
  };
}

let planted = 0;

const guide = await pngUri(noise(64, 64));

function file(what: string, content: string | Buffer, reason: RegExp): Attack<FilesTarget> {
  return {
    attack: `plants ${what} as a single file`,
    expected: refused('checkpoint', reason),
    run: ({ plant }) => plant(`file${planted++}.safetensors`, (at) => writeFile(at, content)),
  };
}

const layer = 'lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k';
const filled = (value: number, ...shape: number[]): NewTensor => ({
  shape,
  data: new Float32Array(shape.reduce((product, size) => product * size, 1)).fill(value),
});

/** Tensors of a network of two layers that enlarges a picture twice, and others in their place. */
function upscaler(what: string, more: Record<string, NewTensor>, expected: Partial<Planted>): Attack<FilesTarget> {
  return {
    attack: `plants an upscaler ${what}`,
    expected,
    run: ({ plant }) =>
      plant(
        `upscaler${planted++}.safetensors`,
        (at) =>
          writeSafetensors(at, {
            ...{
              'body.0.weight': filled(0.1, 4, 3, 3, 3),
              'body.0.bias': filled(0, 4),
              'body.1.weight': filled(0.2, 4),
            },
            ...{ 'body.2.weight': filled(0.1, 12, 4, 3, 3), 'body.2.bias': filled(0, 12), ...more },
          }),
        (model) => ({ taskType: 'upscale', inputImage: guide, model }),
      ),
  };
}

/** @param more - tensors beside a good layer, or in place of one of its matrices */
function lora(what: string, more: Record<string, NewTensor>, expected: Planted): Attack<FilesTarget> {
  const good = { [`${layer}.lora_down.weight`]: filled(0.1, 2, 32), [`${layer}.lora_up.weight`]: filled(0.1, 16, 2) };
  return {
    attack: `plants a LoRA ${what}`,
    expected,
    run: ({ plant }) =>
      plant(
        `lora${planted++}.safetensors`,
        (at) => writeSafetensors(at, { ...good, ...more }),
        (model) => ({ lora: [{ model }] }),
      ),
  };
}

const runs = (reason: RegExp): Planted => ({
  listed: 'lora: can be used',
  ended: matching(new RegExp(`^invalid\\w+: .*${reason.source}`, 's')),
});

const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${'ab'.repeat(32)}\nsize 4265380512\n`;
const drawn: Planted = { listed: 'lora: can be used', ended: 'drawn' };

attackTable('files that people put into the models folder', openFiles, [
  file('a Git LFS pointer', pointer, /it is a Git LFS pointer/),
  file('a web page', '<!doctype html><title>Log in</title>', /it is a web page titled "Log in"/),
  file('the error of a store', '<?xml version="1.0"?><Error/>', /it is XML/),
  file('an error in JSON', '{"error":"gated"}', /it is JSON/),
  file('nothing', '', /it is empty/),
  file('zeros', Buffer.alloc(4096), /it begins with zeros/),
  file('a ZIP archive', Buffer.from('PK\x03\x04dream/a.txt', 'latin1'), /a ZIP archive/),
  file('a pickle', Buffer.from('\x80\x02}q\x00', 'latin1'), /a PyTorch pickle/),
  file('a GGUF file', Buffer.from('GGUF\x03\0\0\0\0\0\0\0', 'latin1'), /a GGUF file/),
  file('a header of 2^62 bytes', Buffer.from('ffffffffffffff3f7b7d', 'hex'), /its header claims/),
  {
    attack: 'plants half a checkpoint',
    expected: refused('checkpoint', /may be truncated; download it again/),
    run: ({ plant }) =>
      plant('half.safetensors', async (at) => {
        await writeGoldenSingleFile('tiny-sd15', at);
        await truncate(at, 1_000_000);
      }),
  },
  lora('of low rank', {}, drawn),
  lora(
    'with a stray tensor of whole numbers',
    { position_ids: { ...filled(0, 1), dtype: 'I64', data: new BigInt64Array(1) } },
    drawn,
  ),
  lora('that is a DoRA', { [`${layer}.dora_scale`]: filled(1, 16, 1) }, drawn),
  lora(
    'whose magnitudes are too many',
    { [`${layer}.dora_scale`]: filled(1, 17, 1) },
    refused('lora', /17 magnitudes/),
  ),
  lora('of two ranks', { [`${layer}.lora_up.weight`]: filled(0.1, 16, 3) }, refused('lora', /is not of low rank/)),
  lora('with NaN in it', { [`${layer}.lora_up.weight`]: filled(Number.NaN, 16, 2) }, runs(/NaN or infinite values/)),
  lora('with an alpha of NaN', { [`${layer}.alpha`]: filled(Number.NaN) }, runs(/alpha of .* is not a number/)),
  lora('of another width', { [`${layer}.lora_down.weight`]: filled(0.1, 2, 48) }, runs(/is for another model/)),
  lora('with an OFT in it', { [`${layer}.oft_blocks`]: filled(0, 2, 4, 4) }, refused('lora', /it is an OFT/)),
  lora('with half a LoHa', { 'lora_unet_conv_in.hada_w1_a': filled(1, 16, 2) }, refused('lora', /lacks one of its/)),
  lora(
    'of two adapters',
    { [`${layer}.lora_A.b.weight`]: filled(1, 2, 32) },
    refused('lora', /contains several adapters/),
  ),
  upscaler('that is whole', {}, { listed: 'upscaler: can be used', ended: 'drawn' }),
  upscaler(
    'with NaN in it',
    { 'body.2.weight': filled(Number.NaN, 12, 4, 3, 3) },
    { listed: 'upscaler: can be used', ended: matching(/: .*NaN or infinite values/) },
  ),
  upscaler(
    'that enlarges a hundred times',
    { 'body.2.weight': filled(0, 30_000, 4, 3, 3), 'body.2.bias': filled(0, 30_000) },
    refused('upscaler', /its last layer gives 30000 channels/),
  ),
  upscaler(
    'with slopes for other channels',
    { 'body.1.weight': filled(0.2, 5) },
    refused('upscaler', /is 5 instead of 4/),
  ),
  upscaler(
    'of whole numbers',
    { 'body.0.bias': { dtype: 'I64', shape: [4], data: new BigInt64Array(4) } },
    refused('upscaler', /stored as I64/),
  ),
  upscaler('with a stray tensor', { 'head.weight': filled(0, 4) }, refused('upscaler', /has a tensor "head.weight"/)),
  {
    attack: 'names a LoRA as upscaler',
    expected: { listed: 'lora: can be used', ended: matching(/^unsupportedModel: .*must name an upscaler/) },
    run: ({ plant }) =>
      plant(
        'no-upscaler.safetensors',
        (at) =>
          writeSafetensors(at, {
            [`${layer}.lora_up.weight`]: filled(0.1, 16, 2),
            [`${layer}.lora_down.weight`]: filled(0.1, 2, 32),
          }),
        (model) => ({ taskType: 'upscale', inputImage: guide, model }),
      ),
  },
  {
    attack: 'plants an embedding of NaN',
    expected: { listed: 'embeddings: can be used', ended: matching(/: .*NaN or infinite values/) },
    run: ({ plant }) =>
      plant(
        'nan.safetensors',
        (at) => writeSafetensors(at, { emb_params: filled(Number.NaN, 2, 32) }),
        (model) => ({ positivePrompt: `${model} fox`, embeddings: [{ model }] }),
      ),
  },
  {
    attack: 'plants an embedding of another width',
    expected: { listed: 'embeddings: can be used', ended: matching(/^(invalid|unsupported)\w+: /) },
    run: ({ plant }) =>
      plant(
        'wide.safetensors',
        (at) => writeSafetensors(at, { emb_params: filled(1, 2, 48) }),
        (model) => ({ positivePrompt: `${model} fox`, embeddings: [{ model }] }),
      ),
  },
  {
    attack: 'plants a ControlNet whose weights are a web page',
    expected: { listed: matching(/^controlnet: .*web page/), ended: matching(/^modelUnavailable: .*web page/) },
    run: ({ plant }) =>
      plant(
        'canny',
        async (at) => {
          const weights = await parts.controlNet(at);
          await writeFile(weights, '<html></html>');
        },
        (model) => ({ controlNet: [{ model, guideImage: guide }] }),
      ),
  },
  {
    attack: 'plants a VAE whose config is an LFS pointer',
    // Without a config nothing says what the folder is, so it is no model at all.
    expected: { listed: 'nothing', ended: matching(/^modelNotFound: There is no model soft\./) },
    run: ({ plant }) =>
      plant(
        'soft',
        async (at) => {
          await mkdir(at);
          await writeFile(path.join(at, 'config.json'), pointer);
        },
        (vae) => ({ vae }),
      ),
  },
  ...(
    [
      ['is no JSON', '{ broken', ['local:tiny@1']],
      ['is a list', '["tiny"]', ['local:tiny@1']],
      ['has a broken entry', '{"a:b@1": null, "c:d@1": "tiny"}', ['c:d@1']],
      ['has aliases that are no list', '{"c:d@1": {"folder": "tiny", "aliases": 7}}', ['c:d@1']],
      ['names a folder that is not there', '{"c:d@1": "gone"}', ['local:tiny@1']],
      ['begins with a byte order mark', '\ufeff{"c:d@1": "tiny"}', ['c:d@1']],
      ['is a Git LFS pointer', pointer, ['local:tiny@1']],
    ] as const
  ).map(
    ([what, text, expected]): Attack<FilesTarget> => ({
      attack: `plants a models.json that ${what}`,
      expected,
      run: ({ nameModels }) => nameModels(text),
    }),
  ),
]);
