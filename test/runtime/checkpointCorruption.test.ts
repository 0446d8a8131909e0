import { cp, mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeModel } from '../../runtime/checkpoints/describe.ts';
import { ModelError } from '../../runtime/files/reading.ts';
import { readStoredTensors, type StoredTensor } from '../../runtime/files/safetensors.ts';
import { checkShapes } from '../../runtime/graphs/checkShapes.ts';
import { parts } from '../helpers/checkpointFiles.ts';
import { modelFolder } from '../helpers/goldens.ts';
import { writeGoldenSingleFile, writeSecondSingleFile } from '../helpers/singleFile.ts';

let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'latentwire-corruption-'));
});

afterAll(() => rm(scratch, { recursive: true, force: true }));

interface Subject {
  /** Makes a whole one in an empty folder. */
  make(folder: string): Promise<{ path: string; file: string }>;
  /** What cannot be seen in it. */
  unseen?: string[];
}

const single = (write: (file: string) => Promise<unknown>, settings: object): Subject => ({
  async make(folder) {
    const file = join(folder, 'model.safetensors');
    await write(file);
    await writeFile(`${file}.json`, JSON.stringify(settings));
    await cp(join(modelFolder('tiny-sd15'), 'tokenizer'), join(folder, 'tokenizer'), { recursive: true });
    return { path: file, file };
  },
});

const ofFolder = (model: 'tiny-sd15' | 'tiny-sd21-v' | 'tiny-sdxl', weights: string): Subject => ({
  async make(folder) {
    await cp(modelFolder(model), join(folder, model), { recursive: true });
    return { path: join(folder, model), file: join(folder, model, weights) };
  },
});

const part = (write: (path: string) => Promise<string>, ending = ''): Subject => ({
  async make(folder) {
    const path = join(folder, `part${ending}`);
    return { path, file: await write(path) };
  },
});

const groups = { norm_num_groups: 4 };
const heads = { num_attention_heads: 4 };
const subjects: Record<string, Subject> = {
  'a single file of SD 1': single((file) => writeGoldenSingleFile('tiny-sd15', file), {
    unet: { attention_head_dim: 4, ...groups },
    vae: groups,
    text_encoder: heads,
  }),
  'a single file of SD 2': single((file) => writeSecondSingleFile(file), {
    unet: { attention_head_dim: [2, 2, 4, 4], ...groups },
    vae: groups,
    text_encoder: heads,
  }),
  'a single file of XL': single((file) => writeGoldenSingleFile('tiny-sdxl', file), {
    unet: { attention_head_dim: [2, 4, 4], ...groups },
    vae: groups,
    text_encoder: heads,
    text_encoder_2: heads,
  }),
  "a folder's UNet": ofFolder('tiny-sd15', 'unet/diffusion_pytorch_model.safetensors'),
  "a half-precision folder's UNet": ofFolder('tiny-sd21-v', 'unet/diffusion_pytorch_model.safetensors'),
  "a folder's autoencoder": ofFolder('tiny-sd15', 'vae/diffusion_pytorch_model.safetensors'),
  "a folder's text encoder": ofFolder('tiny-sd15', 'text_encoder/model.safetensors'),
  "a folder's second text encoder": ofFolder('tiny-sdxl', 'text_encoder_2/model.safetensors'),
  'a ControlNet': part(parts.controlNet),
  'a tiny autoencoder': part(parts.tinyVae),
  'a LoRA': part(parts.lora, '.safetensors'),
  // Which of its two sizes is the width of a model, only the model can say.
  'an embedding': { ...part(parts.embedding, '.safetensors'), unseen: ['a shape turned round'] },
};

type Header = Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }>;

/** Replaces the header by what `change` makes of it; the data stays as it is. */
async function rewriteHeader(file: string, change: (header: Header) => string | Buffer): Promise<void> {
  const bytes = await readFile(file);
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  const header = Buffer.from(change(JSON.parse(bytes.subarray(8, end).toString('utf8')) as Header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  await writeFile(file, Buffer.concat([length, header, bytes.subarray(end)]));
}

const edited = (change: (header: Header) => unknown) => (file: string) =>
  rewriteHeader(file, (header) => {
    change(header);
    return JSON.stringify(header);
  });

/** A tensor that every network needs, with two sizes that differ: one half-way through, so not the first that is read. */
function matrixIn(header: Header): Header[string] {
  const found = Object.entries(header).filter(
    ([name, { shape }]) =>
      shape.length >= 2 &&
      shape[0] !== shape[1] &&
      !/(token|position)_?(al_)?embedding|label_emb|text_projection|proj_weight/.test(name),
  );
  return (found[Math.floor(found.length / 2)] ??
    Object.entries(header).find(([, { shape }]) => shape.length === 2)!)[1];
}

const corruptions: Record<string, (file: string) => Promise<unknown>> = {
  'a truncated header': (file) => truncate(file, 60),
  'truncated data': async (file) => truncate(file, (await readFile(file)).length - 5),
  'no bytes at all': (file) => truncate(file, 0),
  'a header of 2^60 bytes': async (file) => {
    const bytes = await readFile(file);
    bytes.writeBigUInt64LE(2n ** 60n);
    await writeFile(file, bytes);
  },
  'a header that is a list': (file) => rewriteHeader(file, () => '[1, 2, 3, 4]'),
  'a header that is not UTF-8': (file) =>
    rewriteHeader(file, (header) =>
      Buffer.concat([Buffer.from(`{"\xff\xfe": `, 'latin1'), Buffer.from(`${JSON.stringify(header)}}`)]),
    ),
  'a header that is half an object': (file) => rewriteHeader(file, (header) => JSON.stringify(header).slice(0, -9)),
  'a name twice': (file) =>
    rewriteHeader(file, (header) => {
      const [name, tensor] = Object.entries(header)[0]!;
      return `${JSON.stringify(header).slice(0, -1)}, ${JSON.stringify(name)}: ${JSON.stringify(tensor)}}`;
    }),
  'a name twice, once escaped': (file) =>
    rewriteHeader(file, (header) => {
      const [name, tensor] = Object.entries(header)[0]!;
      const escaped = `"\\u${name.charCodeAt(0).toString(16).padStart(4, '0')}${name.slice(1)}"`;
      return `${JSON.stringify(header).slice(0, -1)}, ${escaped} : ${JSON.stringify(tensor)}}`;
    }),
  'tensors that overlap': edited((header) => {
    const tensors = Object.values(header).filter(({ data_offsets: [begin, end] }) => end > begin);
    const [first] = tensors;
    const copy = { ...first! };
    header['model.diffusion_model.other'] = copy;
    header['lora_unet_other.alpha'] = copy;
  }),
  'offsets beyond the end': edited((header) => {
    const last = Object.values(header).at(-1)!;
    const by = 2 ** 40;
    last.data_offsets = [last.data_offsets[0] + by, last.data_offsets[1] + by];
  }),
  'offsets that are no numbers': edited((header) => {
    (matrixIn(header) as { data_offsets: unknown }).data_offsets = ['0', null];
  }),
  'half the dtype': edited((header) => {
    for (const tensor of Object.values(header)) tensor.dtype = tensor.dtype === 'F32' ? 'F16' : 'F32';
  }),
  'a dtype of whole numbers': edited((header) => {
    for (const tensor of Object.values(header)) tensor.dtype = tensor.dtype === 'F32' ? 'I32' : 'I16';
  }),
  'a dtype nobody knows': edited((header) => {
    matrixIn(header).dtype = 'F33';
  }),
  'a shape turned round': edited((header) => {
    const tensor = matrixIn(header);
    tensor.shape = [tensor.shape[1]!, tensor.shape[0]!, ...tensor.shape.slice(2)];
  }),
  'a shape that is too large': edited((header) => {
    const tensor = matrixIn(header);
    tensor.shape = [tensor.shape[0]! * 2, ...tensor.shape.slice(1)];
  }),
  'a shape of fractions': edited((header) => {
    matrixIn(header).shape = [0.5, 2];
  }),
  'another file in its place': (file) => writeFile(file, 'version https://git-lfs.github.com/spec/v1\noid sha256:0\n'),
  'a folder in its place': async (file) => {
    await rm(file);
    await mkdir(file);
  },
};

describe.each([
  ['tiny-sd15', 'unet/diffusion_pytorch_model'],
  ['tiny-sdxl', 'unet/diffusion_pytorch_model'],
  ['tiny-sd15', 'vae/diffusion_pytorch_model'],
  ['tiny-sdxl', 'text_encoder_2/model'],
] as const)('the tensors of %s %s', (model, file) => {
  test('are all needed, each in its shape', async () => {
    const tensors = await readStoredTensors(join(modelFolder(model), `${file}.safetensors`));
    expect(() => checkShapes(tensors)).not.toThrow();
    const unseen: string[] = [];
    const seen = (name: string, instead?: StoredTensor) => {
      const changed = new Map(tensors);
      if (instead) changed.set(name, instead);
      else changed.delete(name);
      try {
        checkShapes(changed);
        unseen.push(name);
      } catch (error) {
        expect(error).toBeInstanceOf(ModelError);
      }
    };
    // A step that meets every kind of tensor, as layers repeat in another rhythm.
    const names = [...tensors.keys()].filter((_, i) => tensors.size < 200 || i % 7 === 0);
    for (const name of names) {
      const tensor = tensors.get(name)!;
      const [rows, columns, ...rest] = tensor.shape;
      // That XL's second encoder has a projection is asked for elsewhere.
      if (name !== 'text_projection.weight') seen(name);
      if (columns !== undefined && rows !== columns) seen(name, { ...tensor, shape: [columns, rows!, ...rest] });
      seen(name, { ...tensor, dtype: 'I32' });
    }
    expect(unseen).toEqual([]);
  });
});

describe.each(Object.entries(subjects))('%s', (name, { make, unseen = [] }) => {
  let whole: { path: string; file: string };
  let original: Buffer;

  beforeAll(async () => {
    const folder = join(scratch, name.replace(/\W+/g, '-'));
    await mkdir(folder);
    whole = await make(folder);
    original = await readFile(whole.file);
  });

  test('is available as it is', async () => {
    const description = await describeModel(whole.path);
    expect(description.reason).toBeUndefined();
    expect(description.available).toBe(true);
  });

  test.each(Object.entries(corruptions).filter(([what]) => !unseen.includes(what)))(
    'with %s is refused in a sentence',
    async (_what, corrupt) => {
      await corrupt(whole.file);
      try {
        const description = await describeModel(whole.path);
        expect(description).toMatchObject({ folder: whole.path, available: false });
        expect(description.reason).toMatch(/^([A-Z]|[\w-]+\.safetensors )/);
        expect(description.reason).toMatch(/\.$/);
        expect(description.reason).not.toMatch(/undefined|NaN|\[object|EISDIR|Cannot read/);
      } finally {
        await rm(whole.file, { recursive: true, force: true });
        await writeFile(whole.file, original);
      }
    },
  );
});
