import { readFileSync } from 'node:fs';
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type RandomDtype, writeRandomModel } from '../../bench/randomModel.ts';
import { readStoredTensors, type StoredTensors } from '../../runtime/files/safetensors.ts';
import { writeUNet2DCondition } from '../../runtime/graphs/unet2DCondition.ts';
import { Graph } from '../../runtime/onnx/graph.ts';
import { formOn, openWritten } from '../../runtime/onnx/openWritten.ts';
import { floats } from '../../runtime/tensors/tensor.ts';
import { cpu } from '../helpers/graphs.ts';

/** An eighth of Stable Diffusion 1.5's width. */
const width = 40;

let folder: string;
let weights: string;
let config: Record<string, unknown>;
/** What the network gives with every byte of it read into memory by us. */
let expected: Float32Array;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'latentwire-loading-'));
  weights = await randomUNet('F32');
  config = JSON.parse(await readFile(join(folder, 'F32/unet/config.json'), 'utf8'));
  const written = writeUNet2DCondition(config, await readStoredTensors(weights));
  const data = await readFile(weights);
  const graph = await Graph.open(
    { bytes: written.bytes, externalData: [{ path: 'diffusion_pytorch_model.safetensors', data }] },
    cpu,
  );
  expected = await step(graph);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function randomUNet(dtype: RandomDtype): Promise<string> {
  await writeRandomModel(join(folder, dtype), { dtype, width, parts: ['unet'] });
  return join(folder, dtype, 'unet/diffusion_pytorch_model.safetensors');
}

function openUNet(tensors: StoredTensors, provider = cpu): Promise<Graph> {
  return openWritten(writeUNet2DCondition(config, tensors, formOn(provider)), 'test/unet', provider);
}

async function step(graph: Graph): Promise<Float32Array> {
  const waves = (length: number) => Float32Array.from({ length }, (_, i) => Math.sin(i * 0.7));
  const textWidth = graph.inputs.find(({ name }) => name === 'encoder_hidden_states')!.shape[2] as number;
  const { out_sample: out } = await graph.run({
    sample: floats(waves(4 * 64), [1, 4, 8, 8]),
    timestep: floats(Float32Array.of(500), [1]),
    encoder_hidden_states: floats(waves(7 * textWidth), [1, 7, textWidth]),
  });
  return out!.data as Float32Array;
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i]!)), 0);
}

/** A folder of its own with a copy of the weights, to be spoilt. */
async function copied(name: string): Promise<string> {
  await mkdir(join(folder, name));
  const file = join(folder, name, 'diffusion_pytorch_model.safetensors');
  await copyFile(weights, file);
  return file;
}

test('the random network gives finite numbers that differ', () => {
  expect(expected.every(Number.isFinite)).toBe(true);
  expect(new Set(expected).size).toBeGreaterThan(200);
});

test('a graph opened over its weights gives what one with the weights in memory gives', async () => {
  const graph = await openUNet(await readStoredTensors(weights));
  expect(largestDifference(await step(graph), expected)).toBeLessThan(1e-5);
});

test.each([true, false])('computing on the weights in place: %s', async (inPlace) => {
  const { bytes } = writeUNet2DCondition(config, await readStoredTensors(weights), formOn(cpu));
  const graph = await Graph.open({ bytes, folder: dirname(weights), inPlace }, cpu);
  expect(largestDifference(await step(graph), expected)).toBeLessThan(1e-5);
});

test('a provider may ask for more optimization and gets the same', async () => {
  const graph = await openUNet(await readStoredTensors(weights), { ...cpu, optimization: 'all' });
  expect(largestDifference(await step(graph), expected)).toBeLessThan(1e-5);
});

// Reads /proc/self, which only Linux has.
test.runIf(process.platform === 'linux')(
  'no weight is copied, neither when the graph is opened nor when it runs',
  async () => {
    const large = join(folder, 'large');
    const bytes = await writeRandomModel(large, { width: 120, parts: ['unet'] });
    const largeConfig = JSON.parse(await readFile(join(large, 'unet/config.json'), 'utf8'));
    const tensors = await readStoredTensors(join(large, 'unet/diffusion_pytorch_model.safetensors'));
    const written = writeUNet2DCondition(largeConfig, tensors, formOn(cpu));
    const before = ownMemory();
    const graph = await openWritten(written, 'large/unet', cpu);
    const opened = ownMemory();
    await step(graph);
    const ran = ownMemory();
    await graph.close();
    await rm(large, { recursive: true });
    expect(bytes).toBeGreaterThan(450e6);
    expect(opened - before).toBeLessThan(0.2 * bytes);
    expect(ran - before).toBeLessThan(0.3 * bytes);
  },
);

/** Bytes of memory that belong to this process alone: what was copied, and not what is mapped from files. */
function ownMemory(): number {
  return Number(/RssAnon:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
}

test.each([
  ['F16', 5e-3],
  ['BF16', 5e-2],
] as const)('weights of %s are computed with in float32', async (dtype, tolerance) => {
  const file = await randomUNet(dtype);
  const given = await step(await openUNet(await readStoredTensors(file)));
  expect(largestDifference(given, expected)).toBeLessThan(tolerance);
});

describe('where the files are', () => {
  test('weights that are a link, as in a cache of downloads, are read from where they really are', async () => {
    await mkdir(join(folder, 'blobs'));
    await mkdir(join(folder, 'snapshot'));
    await copyFile(weights, join(folder, 'blobs/0123abcd'));
    const link = join(folder, 'snapshot/diffusion_pytorch_model.safetensors');
    await symlink('../blobs/0123abcd', link);
    const graph = await openUNet(await readStoredTensors(link));
    expect(largestDifference(await step(graph), expected)).toBeLessThan(1e-5);
  });

  test('shards in one folder, and shards that are links into two', async () => {
    const index = await shards('shards');
    const graph = await openUNet(await readStoredTensors(index));
    expect(largestDifference(await step(graph), expected)).toBeLessThan(1e-5);

    const second = join(folder, 'shards/two.safetensors');
    await mkdir(join(folder, 'otherDisk'));
    await rename(second, join(folder, 'otherDisk/two.safetensors'));
    await symlink('../otherDisk/two.safetensors', second);
    const apart = await openUNet(await readStoredTensors(index));
    expect(largestDifference(await step(apart), expected)).toBeLessThan(1e-5);
  });

  test('weights beyond the first 4 GiB of a file are reached', async () => {
    const far = join(folder, 'far.safetensors');
    await moveTensors(weights, far, 5 * 2 ** 30);
    const tensors = await readStoredTensors(far);
    expect(tensors.get('conv_in.weight')!.offset).toBeGreaterThan(2 ** 32);
    const graph = await openUNet(tensors);
    expect(largestDifference(await step(graph), expected)).toBeLessThan(1e-5);
    await rm(far);
  });

  test('nothing is written beside the weights, so their folder may be read-only', async () => {
    const file = await copied('readOnly');
    await chmod(join(folder, 'readOnly'), 0o500);
    const graph = await openUNet(await readStoredTensors(file));
    expect(largestDifference(await step(graph), expected)).toBeLessThan(1e-5);
    expect(await readdir(join(folder, 'readOnly'))).toEqual(['diffusion_pytorch_model.safetensors']);
    await chmod(join(folder, 'readOnly'), 0o700);
  });
});

describe('files that change', () => {
  test('a file that was replaced after its header was read is refused, and read anew it is taken', async () => {
    const file = await copied('replaced');
    const old = await readStoredTensors(file);
    await copyFile(weights, `${file}.new`);
    await rename(`${file}.new`, file);
    await expect(openUNet(old)).rejects.toThrow(
      'test/unet: diffusion_pytorch_model.safetensors has changed since the server first read it.',
    );
    const graph = await openUNet(await readStoredTensors(file));
    expect(largestDifference(await step(graph), expected)).toBeLessThan(1e-5);
  });

  test('a file that was cut short, written to or removed after its header was read is refused', async () => {
    const file = await copied('cut');
    let tensors = await readStoredTensors(file);
    await utimes(file, new Date(), new Date(0));
    await expect(openUNet(tensors)).rejects.toThrow('has changed since the server first read it');
    tensors = await readStoredTensors(file);
    await truncate(file, 10_000);
    await expect(openUNet(tensors)).rejects.toThrow('has changed since the server first read it');
    await rm(file);
    await expect(openUNet(tensors)).rejects.toThrow('diffusion_pytorch_model.safetensors is no longer there');
  });

  // Windows does not remove or replace a file that is open.
  test.runIf(process.platform !== 'win32')(
    'an open graph goes on when its file is removed or replaced by another',
    async () => {
      const file = await copied('removed');
      const graph = await openUNet(await readStoredTensors(file));
      await rm(file);
      await writeFile(file, 'something else');
      expect(largestDifference(await step(graph), expected)).toBeLessThan(1e-5);
    },
  );
});

/** Writes the weights as two shards and their index, and returns the index. */
async function shards(name: string): Promise<string> {
  await mkdir(join(folder, name));
  const names = [...(await readStoredTensors(weights)).keys()];
  const halves = {
    'one.safetensors': names.filter((_, i) => i % 2 === 0),
    'two.safetensors': names.filter((_, i) => i % 2 === 1),
  };
  const map: Record<string, string> = {};
  for (const [shard, kept] of Object.entries(halves)) {
    await moveTensors(weights, join(folder, name, shard), 0, new Set(kept));
    for (const tensor of kept) map[tensor] = shard;
  }
  const index = join(folder, name, 'diffusion_pytorch_model.safetensors.index.json');
  await writeFile(index, JSON.stringify({ weight_map: map }));
  return index;
}

/** Copies tensors into another file behind a hole of `gap` bytes, which takes no room on the disk. */
async function moveTensors(from: string, to: string, gap: number, kept?: ReadonlySet<string>): Promise<void> {
  const tensors = [...(await readStoredTensors(from))].filter(([name]) => kept?.has(name) ?? true);
  const header: Record<string, object> = {};
  if (gap > 0) header.hole = { dtype: 'U8', shape: [gap], data_offsets: [0, gap] };
  let end = gap;
  for (const [name, { dtype, shape, length }] of tensors) {
    header[name] = { dtype, shape, data_offsets: [end, end + length] };
    end += length;
  }
  const json = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(json.length));
  const source = await readFile(from);
  const handle = await open(to, 'w');
  await handle.write(Buffer.concat([size, json]), 0, 8 + json.length, 0);
  let at = 8 + json.length + gap;
  for (const [, { offset, length }] of tensors) {
    await handle.write(source, offset, length, at);
    at += length;
  }
  await handle.close();
}
