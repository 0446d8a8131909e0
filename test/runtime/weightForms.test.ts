import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { TensorReader } from '../../runtime/addons/loraReader.ts';
import { type BlockDtype, blockFormats, dequantise, float8Tables, isBlockDtype } from '../../runtime/files/blocks.ts';
import { readGgufHeader } from '../../runtime/files/gguf.ts';
import { cleanPackedFiles, listPackedFiles, packedFile } from '../../runtime/files/packedFile.ts';
import { ROUNDING_ERROR, roundedAnew } from '../../runtime/files/packing.ts';
import { readSafetensorsHeader, type StoredTensor, type StoredTensors } from '../../runtime/files/safetensors.ts';
import { readValues } from '../../runtime/files/values.ts';
import { type AdaptedForm, GraphBuilder, type Written } from '../../runtime/graphs/builder.ts';
import { dense, linear } from '../../runtime/graphs/layers.ts';
import { openWritten } from '../../runtime/onnx/openWritten.ts';
import { type LazyGraph, loadAll } from '../../runtime/pipelines/lazyGraph.ts';
import { createNoise } from '../../runtime/tensors/noise.ts';
import { floats, type Tensor } from '../../runtime/tensors/tensor.ts';
import { relativeError } from '../helpers/goldens.ts';
import { cpu } from '../helpers/graphs.ts';
import { type NewTensor, writeSafetensors } from '../helpers/safetensors.ts';

const gguf = new URL('../fixtures/models/tiny-flux-wide-mixed.gguf', import.meta.url).pathname;
// Origin and tolerance: test/fixtures/README.md.
const blocksFixture = readFileSync(new URL('../fixtures/ggufBlocks.json.gz', import.meta.url));
const expected = JSON.parse(gunzipSync(blocksFixture).toString('utf8')) as Record<
  string,
  { type: string; shape: number[]; every29th: number[]; sum: number; squares: number }
>;

let scratch: string;
let stored: StoredTensors;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'latentwire-weights-'));
  stored = (await readGgufHeader(gguf)).tensors;
});

afterAll(() => rm(scratch, { recursive: true, force: true }));

const bytesOf = ({ file, offset, length }: StoredTensor) => readFileSync(file).subarray(offset, offset + length);

/** The values of a tensor of that file. */
function valuesOf(name: string): Float32Array {
  const tensor = stored.get(name)!;
  const bytes = bytesOf(tensor);
  return isBlockDtype(tensor.dtype)
    ? dequantise(tensor.dtype, bytes)
    : new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

describe('a GGUF file', () => {
  test('is read with the shapes and dtypes of all its tensors', () => {
    expect(stored.size).toBe(Object.keys(expected).length);
    for (const [name, { type, shape }] of Object.entries(expected)) {
      expect(stored.get(name), name).toMatchObject({ dtype: type, shape });
    }
    const used = new Set([...stored.values()].map(({ dtype }) => dtype));
    expect(Object.keys(blockFormats).filter((dtype) => !used.has(dtype as BlockDtype))).toEqual([]);
  });

  test('gives the values that the gguf package gives, whatever the blocks', () => {
    for (const [name, { every29th, sum, squares }] of Object.entries(expected)) {
      const values = valuesOf(name);
      const sampled = values.filter((_, i) => i % 29 === 0);
      expect(relativeError(sampled, every29th), name).toBeLessThan(1e-5);
      const total = values.reduce((all, value) => all + value, 0);
      const power = values.reduce((all, value) => all + value * value, 0);
      expect(Math.abs(total - sum), name).toBeLessThan(1e-4 * Math.sqrt(squares * values.length));
      expect(Math.abs(power / squares - 1), name).toBeLessThan(1e-5);
    }
  });

  test('tells its metadata', async () => {
    expect((await readGgufHeader(gguf)).metadata['general.architecture']).toBe('flux');
  });
});

/** Little-endian parts of a GGUF file. */
const u32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer);
const u64 = (value: number | bigint) => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
const text = (value: string) => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);
const pair = (key: string, type: number, value: Buffer) => Buffer.concat([text(key), u32(type), value]);
const info = (name: string, dims: (number | bigint)[], type: number, offset: number | bigint) =>
  Buffer.concat([text(name), u32(dims.length), ...dims.map(u64), u32(type), u64(offset)]);

interface Parts {
  magic?: string;
  version?: number;
  count?: number | bigint;
  keys?: number | bigint;
  metadata?: Buffer[];
  infos?: Buffer[];
  data?: number;
}

let made = 0;
async function fileOf({ magic = 'GGUF', version = 3, metadata = [], infos = [], data = 64, ...claims }: Parts) {
  const { count = infos.length, keys = metadata.length } = claims;
  const head = Buffer.concat([Buffer.from(magic), u32(version), u64(count), u64(keys), ...metadata, ...infos]);
  const file = join(scratch, `${made++}.gguf`);
  await writeFile(file, Buffer.concat([head, Buffer.alloc((32 - (head.length % 32)) % 32), Buffer.alloc(data)]));
  return file;
}

describe('a GGUF file that is not what it says', () => {
  const huge = 2n ** 63n;
  const cases: [string, Parts, RegExp][] = [
    ['another beginning', { magic: 'GGML' }, /not a usable GGUF file: it does not begin with GGUF/],
    ['an old version', { version: 1 }, /version 1; supported are 2 and 3/],
    ['the other order of bytes', { version: 0x03000000 }, /big-endian/],
    ['more tensors than it holds', { count: 5 }, /ends within its header/],
    ['a number of tensors beyond all bounds', { count: huge }, /which is too large/],
    ['too many tensors', { count: 100_001 }, /at most 100000/],
    ['too many keys', { keys: 2_000_001 }, /at most 2000000/],
    ['a key longer than the file', { keys: 1, metadata: [u64(60_000)] }, /ends within its header/],
    ['a key beyond all bounds', { keys: 1, metadata: [u64(huge)] }, /which is too large/],
    [
      'a list longer than the file',
      { metadata: [pair('a', 9, Buffer.concat([u32(0), u64(2 ** 40)]))] },
      /ends within its header|more than 2000000 values/,
    ],
    [
      'lists within lists',
      { metadata: [pair('a', 9, Buffer.concat(Array.from({ length: 6 }, () => Buffer.concat([u32(9), u64(1)]))))] },
      /nested too deeply/,
    ],
    ['a type of value that does not exist', { metadata: [pair('a', 77, u32(0))] }, /unknown type 77/],
    ['a key twice', { metadata: [pair('a', 4, u32(1)), pair('a', 4, u32(2))] }, /names "a" twice/],
    ['an odd alignment', { metadata: [pair('general.alignment', 4, u32(48))] }, /not a power of two/],
    ['a tensor twice', { infos: [info('a', [4], 0, 0), info('a', [4], 0, 32)] }, /tensor "a" twice/],
    ['five axes', { infos: [info('a', [1, 1, 1, 1, 1], 0, 0)] }, /5 axes; at most 4/],
    ['an axis beyond all bounds', { infos: [info('a', [huge], 0, 0)] }, /which is too large/],
    ['a size beyond all bounds', { infos: [info('a', [2n ** 31n, 2n ** 31n], 0, 0)] }, /which is too large/],
    [
      'a type of ggml that is not read',
      { infos: [info('a', [256], 16, 0)] },
      /type IQ2_XXS, which is not supported; supported are F32,/,
    ],
    ['a type that does not exist', { infos: [info('a', [256], 99, 0)] }, /type number 99/],
    ['a row that fills no block', { infos: [info('a', [33], 8, 0)] }, /rows of 33 values/],
    ['a tensor beyond its end', { infos: [info('a', [64], 0, 0)] }, /ends at byte .*truncated/],
    ['a tensor far beyond its end', { infos: [info('a', [4], 0, 2 ** 40)] }, /ends at byte/],
    ['tensors that overlap', { infos: [info('a', [16], 0, 0), info('b', [4], 0, 32)] }, /"a" and "b" overlap/],
    ['a tensor out of line', { infos: [info('a', [4], 0, 4)] }, /not aligned to 32/],
  ];

  test.each(cases)('is refused: %s', async (_, parts, reason) => {
    await expect(readGgufHeader(await fileOf(parts))).rejects.toThrow(reason);
  });

  test('is refused wherever it is cut off', async () => {
    const whole = await readFile(gguf);
    const file = join(scratch, 'cut.gguf');
    for (const length of [0, 3, 7, 20, 100, 1000, 3000, whole.length - 1]) {
      await writeFile(file, whole.subarray(0, length));
      await expect(readGgufHeader(file), String(length)).rejects.toThrow(/^cut\.gguf is not a usable GGUF file: /);
    }
  });

  test('is called what it is', async () => {
    const file = join(scratch, 'page.gguf');
    await writeFile(file, '<!doctype html><title>Log in</title>');
    await expect(readGgufHeader(file)).rejects.toThrow(/a web page titled "Log in"/);
    await expect(readGgufHeader(join(scratch, 'missing.gguf'))).rejects.toThrow(/there is no such file/);
  });

  test('never ends in anything but a sentence, whichever byte of its header is another', async () => {
    const whole = await readFile(gguf);
    const noise = createNoise(3n);
    const file = join(scratch, 'damaged.gguf');
    for (let i = 0; i < 300; i++) {
      const damaged = Buffer.from(whole.subarray(0, 6000));
      const [at = 0, value = 0] = noise.normal(2);
      damaged[Math.floor(Math.abs(at) * 2000) % 4000] = Math.floor(Math.abs(value) * 100) % 256;
      await writeFile(file, damaged);
      await expect(readGgufHeader(file)).rejects.toThrow(/^damaged\.gguf is not a usable GGUF file: .*\.$/s);
    }
  });
});

test('8-bit floats have the values of their formats', () => {
  const { F8_E4M3: e4m3, F8_E5M2: e5m2 } = float8Tables;
  // OCP 8-bit floating point specification, table 2.
  expect([0x00, 0x01, 0x07, 0x08, 0x38, 0x3c, 0x7e, 0xfe, 0xb8].map((bits) => e4m3[bits])).toEqual([
    0,
    2 ** -9,
    7 * 2 ** -9,
    2 ** -6,
    1,
    1.5,
    448,
    -448,
    -1,
  ]);
  expect([0x7f, 0xff].every((bits) => Number.isNaN(e4m3[bits]))).toBe(true);
  expect([0x01, 0x03, 0x04, 0x3c, 0x3e, 0x7b, 0x7c, 0xfc].map((bits) => e5m2[bits])).toEqual([
    2 ** -16,
    3 * 2 ** -16,
    2 ** -14,
    1,
    1.5,
    57344,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ]);
});

/** x of some rows, and x Wᵀ in float64. */
function problem(weights: Float32Array, rows: number, inner: number) {
  const x = createNoise(9n).normal(rows * inner);
  const out = weights.length / inner;
  const product = Array.from({ length: rows * out }, (_, i) => {
    const [row, column] = [Math.floor(i / out), i % out];
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += x[row * inner + k]! * weights[column * inner + k]!;
    return sum;
  });
  return { x: floats(x, [1, rows, inner]), product };
}

/** y = x Wᵀ (+ b), of one linear layer. */
async function applied(
  tensors: StoredTensors,
  path: string,
  x: Tensor,
  form: AdaptedForm & { rows?: readonly [number, number]; provider?: { packedFolder: string } } = {},
  extra: Record<string, Tensor> = {},
): Promise<{ y: Float32Array; written: Written }> {
  const written = layer(tensors, path, form);
  const graph = await openWritten(written, 'layer', {
    ...cpu,
    packedFolder: join(scratch, 'packed'),
    ...form.provider,
  });
  const { y } = await graph.run({ x, ...extra });
  await graph.close();
  return { y: y!.data as Float32Array, written };
}

function layer(
  tensors: StoredTensors,
  path: string,
  form: AdaptedForm & { rows?: readonly [number, number] },
): Written {
  const builder = new GraphBuilder(tensors, { linear: 'fused', weights: 'stored', ...form });
  const [out, inner] = tensors.get(`${path}.weight`)!.shape as [number, number];
  const x = builder.enter('x', ['batch', 'rows', inner]);
  const y = linear(builder, x, path, form.rows ? { rows: form.rows } : {});
  builder.leave('y', y, ['batch', 'rows', form.rows ? form.rows[1] - form.rows[0] : out]);
  return builder.finish('layer');
}

/** What rounding x to 8 bits changes of a product, over its largest value. */
const ROUNDING_OF_INPUTS = 1.5e-2;

describe('a linear layer of weights in blocks', () => {
  const matrices = Object.entries(expected)
    .filter(([name, { type }]) => isBlockDtype(type) && name.endsWith('.weight'))
    .map(([name, { type }]) => [type, name.slice(0, -'.weight'.length)] as const);
  const ofEachType = [...new Map(matrices).entries()];

  test.each(ofEachType)('of %s multiplies by them in few bits', async (type, path) => {
    const inner = stored.get(`${path}.weight`)!.shape[1]!;
    const bare = new Map([[`${path}.weight`, stored.get(`${path}.weight`)!]]);
    const { x, product } = problem(valuesOf(`${path}.weight`), 5, inner);
    const { y, written } = await applied(bare, path, x);
    expect(relativeError(y, product)).toBeLessThan(ROUNDING_OF_INPUTS);
    expect(Buffer.from(written.bytes).includes('MatMulNBits')).toBe(true);
    // With inputs that 8 bits hold exactly, what is left is what rounding the weights anew has lost: nothing where a scale
    // holds for 32 values.
    const whole = floats(
      (x.data as Float32Array).map((_, i) => (i % 32 === 0 ? 127 : ((i * 37) % 255) - 127)),
      x.dims,
    );
    const exact = problemOf(valuesOf(`${path}.weight`), whole, inner);
    const { group } = blockFormats[type as BlockDtype];
    expect(relativeError((await applied(bare, path, whole)).y, exact)).toBeLessThan(group === 32 ? 1e-5 : 8e-3);
  });

  test('gives ranges of its rows, each with its bias', async () => {
    const path = 'single_blocks.0.linear1';
    const { x, product } = problem(valuesOf(`${path}.weight`), 3, 64);
    const bias = valuesOf(`${path}.bias`);
    const { y } = await applied(stored, path, x, { rows: [64, 192] });
    const wanted = product.map((value, i) => value + bias[i % 448]!).filter((_, i) => i % 448 >= 64 && i % 448 < 192);
    expect(relativeError(y, wanted)).toBeLessThan(ROUNDING_OF_INPUTS);
  });

  test('takes LoRAs as any other', async () => {
    const path = 'single_blocks.0.linear1';
    const { x, product } = problem(valuesOf(`${path}.weight`), 3, 64);
    const noise = createNoise(4n);
    const [down, up] = [noise.normal(64 * 2), noise.normal(2 * 448)];
    const low = { [`${path}.lora_down`]: floats(down, [64, 2]), [`${path}.lora_up`]: floats(up, [2, 448]) };
    const { y } = await applied(stored, path, x, { adapters: 'linear' }, low);
    const bias = valuesOf(`${path}.bias`);
    const wanted = product.map((value, i) => {
      const [row, column] = [Math.floor(i / 448), i % 448];
      let sum = value + bias[column]!;
      for (let k = 0; k < 64; k++) {
        const input = (x.data as Float32Array)[row * 64 + k]!;
        for (let r = 0; r < 2; r++) sum += input * down[k * 2 + r]! * up[r * 448 + column]!;
      }
      return sum;
    });
    expect(relativeError(y, wanted)).toBeLessThan(ROUNDING_OF_INPUTS);
  });

  test.each(['float16', 'auto'] as const)('is widened with %s, as small as it is', async (weights) => {
    const path = 'double_blocks.0.img_mlp.2';
    const { x, product } = problem(valuesOf(`${path}.weight`), 3, 256);
    const bias = valuesOf(`${path}.bias`);
    const { y, written } = await applied(stored, path, x, { weights });
    expect(Buffer.from(written.bytes).includes('MatMulNBits')).toBe(false);
    const wanted = product.map((value, i) => value + bias[i % 64]!);
    expect(relativeError(y, wanted)).toBeLessThan(1e-5);
  });

  test('with two axes serves projections of time', async () => {
    const builder = new GraphBuilder(stored, { linear: 'fused', weights: 'stored' });
    const x = builder.enter('x', ['batch', 256]);
    builder.leave('y', dense(builder, x, 'time_in.in_layer'), ['batch', 64]);
    const graph = await openWritten(builder.finish('layer'), 'layer', {
      ...cpu,
      packedFolder: join(scratch, 'packed'),
    });
    const { x: input, product } = problem(valuesOf('time_in.in_layer.weight'), 2, 256);
    const bias = valuesOf('time_in.in_layer.bias');
    const { y } = await graph.run({ x: floats(input.data as Float32Array, [2, 256]) });
    await graph.close();
    expect(
      relativeError(
        y!.data as Float32Array,
        product.map((value, i) => value + bias[i % 64]!),
      ),
    ).toBeLessThan(ROUNDING_OF_INPUTS);
  });
});

function problemOf(weights: Float32Array, x: Tensor, inner: number): number[] {
  const out = weights.length / inner;
  const data = x.data as Float32Array;
  return Array.from({ length: (data.length / inner) * out }, (_, i) => {
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += data[Math.floor(i / out) * inner + k]! * weights[(i % out) * inner + k]!;
    return sum;
  });
}

describe('8-bit floats in a safetensors file', () => {
  const codes = Uint8Array.from({ length: 64 * 96 }, (_, i) => ((i * 71) % 120) | (i % 2 === 0 ? 0 : 128));
  const values = (dtype: keyof typeof float8Tables, scale: (row: number) => number) =>
    Float32Array.from(codes, (code, i) => float8Tables[dtype][code]! * scale(Math.floor(i / 96)));
  const one: NewTensor = { dtype: 'F32', shape: [], data: Float32Array.of(0.25) };
  const rowScales = Float32Array.from({ length: 64 }, (_, row) => 0.5 + row / 64);

  const cases: [string, 'F8_E4M3' | 'F8_E5M2', Record<string, NewTensor>, (row: number) => number][] = [
    ['alone', 'F8_E4M3', {}, () => 1],
    ['of the other format', 'F8_E5M2', {}, () => 1],
    [
      'with scale_weight',
      'F8_E4M3',
      { 'l.scale_weight': one, scaled_fp8: { dtype: 'F8_E4M3', shape: [0], data: new Uint8Array(0) } },
      () => 0.25,
    ],
    [
      'with weight_scale',
      'F8_E4M3',
      {
        'l.weight_scale': one,
        'l.input_scale': one,
        'l.comfy_quant': { dtype: 'U8', shape: [2], data: new Uint8Array(2) },
      },
      () => 0.25,
    ],
    [
      'with a scale for each row',
      'F8_E4M3',
      { 'l.weight_scale': { dtype: 'F32', shape: [64, 1], data: rowScales } },
      (row) => rowScales[row]!,
    ],
  ];

  test.each(cases)('%s are held in 8 bits, or as floats', async (_, dtype, beside, scale) => {
    const file = join(scratch, `float8-${made++}.safetensors`);
    await writeSafetensors(file, { 'l.weight': { dtype, shape: [64, 96], data: codes }, ...beside });
    const { tensors } = await readSafetensorsHeader(file);
    expect([...tensors.keys()]).toEqual(['l.weight']);
    const { x, product } = problem(values(dtype, scale), 4, 96);
    expect(relativeError((await applied(tensors, 'l', x)).y, product)).toBeLessThan(ROUNDING_OF_INPUTS);
    expect(relativeError((await applied(tensors, 'l', x, { weights: 'float16' })).y, product)).toBeLessThan(1e-5);
    const weight = tensors.get('l.weight')!;
    const wanted = values(dtype, scale);
    expect(relativeError(await readValues(weight), wanted)).toBeLessThan(1e-6);
    await using reader = new TensorReader('a LoRA');
    expect(relativeError(await reader.floats(weight), wanted)).toBeLessThan(1e-6);
  });
});

describe('float weights', () => {
  const weights = createNoise(21n).normal(80 * 64);
  const read = async () => {
    const file = join(scratch, `float-${made++}.safetensors`);
    await writeSafetensors(file, { 'l.weight': { shape: [80, 64], data: weights } });
    return (await readSafetensorsHeader(file)).tensors;
  };

  test.each([
    ['int8', 1.5e-2],
    ['int4', 8e-2],
  ] as const)('are held in few bits where %s is asked for', async (form, within) => {
    const { x, product } = problem(weights, 4, 64);
    const { y, written } = await applied(await read(), 'l', x, { weights: form });
    expect(written.packing!.bytes).toBeLessThan(80 * 64 * (form === 'int8' ? 1.2 : 0.8));
    const error = relativeError(y, product);
    expect(error).toBeLessThan(within);
    expect(error).toBeGreaterThan(1e-4);
  });

  test('are the file itself where nothing is asked for', async () => {
    const { x, product } = problem(weights, 4, 64);
    const { y, written } = await applied(await read(), 'l', x);
    expect(written.packing).toBeUndefined();
    expect(relativeError(y, product)).toBeLessThan(1e-5);
  });

  test('whose rows are no whole blocks stay floats', async () => {
    const file = join(scratch, 'narrow.safetensors');
    await writeSafetensors(file, { 'l.weight': { dtype: 'F32', shape: [128, 40], data: weights } });
    const { x, product } = problem(weights, 4, 40);
    const { y } = await applied((await readSafetensorsHeader(file)).tensors, 'l', x, { weights: 'int8' });
    expect(relativeError(y, product)).toBeLessThan(1e-5);
  });
});

test.each([
  ['Q6_K', 40_000, 'Q6_K'],
  ['F8_E4M3', 40_000, 'F8_E4M3'],
  ['Q4_K', 40_000, undefined],
  ['F16', 40_000, undefined],
  ['Q6_K', 400, undefined],
] as const)('weights in %s, %i rows of 4096, are rounded anew: %s', (dtype, rows, expected) => {
  // Only what is large is held in few bits.
  const tensor = { dtype, shape: [rows, 4096], file: 'none', offset: 0, length: rows * 4096 };
  expect(roundedAnew(new Map([['l.weight', tensor]]))).toBe(expected);
});

test('a network that is long in repacking tells how far it is, every few seconds', async () => {
  vi.useFakeTimers();
  try {
    let open: (graph: unknown) => void = () => {};
    const graph = new Promise((resolve) => {
      open = resolve;
    });
    const network = { name: 'transformer', holds: () => false, bytes: async () => 1000, graph: () => graph, packed: 0 };
    const told = loadAll([{ network: network as unknown as LazyGraph }]);
    const next = async () => (await told.next()).value;
    expect(await next()).toMatchObject({ type: 'staged' });
    expect(await next()).toMatchObject({ type: 'loading', doneBytes: 0, ofBytes: 1000 });
    for (const share of [0.25, 0.7]) {
      network.packed = share;
      const news = next();
      await vi.advanceTimersByTimeAsync(5000);
      expect(await news).toMatchObject({ type: 'loading', component: 'transformer', doneBytes: share * 1000 });
    }
    open({});
    expect(await told.next()).toMatchObject({ done: true });
  } finally {
    vi.useRealTimers();
  }
});

describe('a packed file', () => {
  const source = async (folder: string, change = 0) => {
    const file = join(folder, 'source.safetensors');
    const data = createNoise(BigInt(5 + change)).normal(64 * 64);
    await writeSafetensors(file, { 'l.weight': { dtype: 'F32', shape: [64, 64], data } });
    return { file, tensors: (await readSafetensorsHeader(file)).tensors };
  };

  test('is written once, tells what was lost, and is written anew when its source changes', async () => {
    const folder = await mkdtemp(join(scratch, 'once-'));
    const { tensors } = await source(folder);
    const { packing } = layer(tensors, 'l', { weights: 'int8' });
    const cache = join(folder, 'cache');
    const shares: number[] = [];
    const file = await packedFile(packing!, cache, 'tiny/unet', (share) => shares.push(share));
    expect(shares).toEqual([1]);
    const written = await stat(file);
    expect(written.size).toBe(packing!.bytes);
    expect(await packedFile(packing!, cache, 'tiny/unet', (share) => shares.push(share))).toBe(file);
    expect(shares).toEqual([1]);
    expect((await stat(file)).ino).toBe(written.ino);
    const [found] = await listPackedFiles(cache);
    expect(found).toMatchObject({ label: 'tiny/unet', bytes: packing!.bytes, isCurrent: true });
    // Steps of 2/254 of the largest of 32 values, evenly spread.
    expect(found!.error).toBeGreaterThan(ROUNDING_ERROR / 2);
    expect(found!.error).toBeLessThan(ROUNDING_ERROR * 1.5);

    const changed = await source(folder, 1);
    const anew = layer(changed.tensors, 'l', { weights: 'int8' }).packing!;
    expect(anew.name).not.toBe(packing!.name);
    const other = await packedFile(anew, cache, 'tiny/unet');
    expect((await readdir(cache)).sort()).toEqual(
      [other, `${other}.json`].map((each) => each.split('/').at(-1)).sort(),
    );
  });

  test('leaves nothing behind where its source changed meanwhile', async () => {
    const folder = await mkdtemp(join(scratch, 'changed-'));
    const { file, tensors } = await source(folder);
    const { packing } = layer(tensors, 'l', { weights: 'int8' });
    await utimes(file, 1, 1);
    await expect(packedFile(packing!, join(folder, 'cache'), 'tiny/unet')).rejects.toThrow(
      /source\.safetensors changed while the server read it/,
    );
    expect(await readdir(join(folder, 'cache'))).toEqual([]);
  });

  test('goes where all of them take too much, the one used longest ago first', async () => {
    const folder = await mkdtemp(join(scratch, 'many-'));
    const { tensors } = await source(folder);
    const files: string[] = [];
    for (const weights of ['int8', 'int4'] as const) {
      files.push(await packedFile(layer(tensors, 'l', { weights }).packing!, join(folder, 'cache'), weights));
    }
    const [eight = '', four = ''] = files;
    await utimes(four, 1000, 1000);
    await cleanPackedFiles(join(folder, 'cache'), 0, (await stat(eight)).size);
    expect((await listPackedFiles(join(folder, 'cache'))).map(({ file }) => file)).toEqual([eight]);
  });

  test('that cannot be written is told in a sentence', async () => {
    const folder = await mkdtemp(join(scratch, 'no-'));
    const { file, tensors } = await source(folder);
    const { packing } = layer(tensors, 'l', { weights: 'int8' });
    await expect(packedFile(packing!, join(file, 'cache'), 'tiny/unet')).rejects.toThrow(
      /^tiny\/unet: the repacked weights cannot be written to .*: ENOTDIR\.$/,
    );
  });
});
