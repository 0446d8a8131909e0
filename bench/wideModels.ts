/** Random weights in the shapes of large transformers, in the block formats that people have. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { type BlockDtype, blockFormats } from '../runtime/files/blocks.ts';
import type { StoredTensor, StoredTensors } from '../runtime/files/safetensors.ts';
import { toFloat16 } from '../runtime/tensors/float16.ts';
import { count, type Planned, planVae, pool } from './randomModel.ts';
import type { Shapes } from './wideShapes.ts';

/** The decoder of FLUX.1's autoencoder, which is Z-Image's too; that of FLUX.2 has twice the latents and the same arithmetic. */
export function decoderShapes(): Shapes {
  return shapesOf(planVae({ width: 128, latents: 16 }).filter(({ name }) => name.startsWith('decoder.')));
}

export function shapesOf(plan: readonly Planned[]): Shapes {
  return plan.map(({ name, shape }) => [name, ...shape]);
}

function isTable(name: string): boolean {
  return name.includes('embed_tokens');
}

/** Whether a tensor is stored in blocks of so many values, where a file has blocks. */
function isMatrix([name, ...shape]: Shapes[number], values: number): boolean {
  return !isTable(name) && shape.length >= 2 && shape[0]! > 1 && shape.at(-1)! % values === 0;
}

/** With which a usual row of the matrices keeps the size of what it is given. */
function spreadOf(matrices: Shapes): number {
  const sum = (each: (shape: number[]) => number) => matrices.reduce((all, [, ...shape]) => all + each(shape), 0);
  return Math.sqrt(sum(count) / sum((shape) => count(shape) * count(shape.slice(1))));
}

/** Floats lie as these, which GGUF files have beside blocks: vectors, and a table of words. */
const VECTORS = 'F32';
const TABLES = 'F16';
/** Numbers of the longest vector. */
const LONGEST = 2 ** 17;

/**
 * Writes one file of random numbers and gives the tensors of a model as ranges of it, which overlap: what is repacked from
 * it is as large as the real one, while this takes no more than its largest tensors.
 *
 * @param dtype - of matrices, or of everything where it is F16
 */
export async function randomTensors(folder: string, shapes: Shapes, dtype: BlockDtype | 'F16'): Promise<StoredTensors> {
  const { values, bytes } = dtype === 'F16' ? { values: 1, bytes: 2 } : blockFormats[dtype];
  const matrices = shapes.filter((named) => isMatrix(named, values));
  const largest = Math.max(...matrices.map(([, ...shape]) => count(shape))) / values;
  const spread = spreadOf(matrices);
  const length = Math.ceil(largest * 1.2);
  const blocks = dtype === 'F16' ? randomHalves(spread, length) : randomBlocks(dtype, spread, length);
  const tables = Math.max(0, ...shapes.filter(([name]) => isTable(name)).map(([, ...shape]) => count(shape)));
  const file = join(folder, `${dtype}-${largest}-${tables}.bin`);
  const into = await open(file, 'w');
  // Scales of norms, then biases.
  const vectors = pool.slice(0, 2 * LONGEST).map((value, i) => (i < LONGEST ? 1 + 0.1 * value : 0.05 * value));
  const vectorsAt = Math.ceil(blocks.length / 64) * 64;
  const tablesAt = vectorsAt + vectors.byteLength;
  await into.write(blocks, 0, blocks.length, 0);
  await into.write(new Uint8Array(vectors.buffer), 0, vectors.byteLength, vectorsAt);
  const words = new Uint8Array(toFloat16(pool).buffer);
  for (let at = 0; at < tables * 2; at += words.length) {
    await into.write(words, 0, Math.min(words.length, tables * 2 - at), tablesAt + at);
  }
  await into.close();
  const tensors = new Map<string, StoredTensor>();
  const free = Math.floor(blocks.length / bytes - largest);
  for (const [index, named] of shapes.entries()) {
    const [name, ...shape] = named;
    if (isTable(name)) tensors.set(name, { dtype: TABLES, shape, file, offset: tablesAt, length: count(shape) * 2 });
    else if (isMatrix(named, values)) {
      const offset = ((index * 7919) % free) * bytes;
      tensors.set(name, { dtype, shape, file, offset, length: (count(shape) / values) * bytes });
    } else {
      const offset = vectorsAt + (name.endsWith('.bias') ? LONGEST * 4 : 0);
      tensors.set(name, { dtype: VECTORS, shape, file, offset, length: count(shape) * 4 });
    }
  }
  return tensors;
}

/** ggml's numbers of the types that are written here. */
const ggmlTypes = { F32: 0, F16: 1, Q4_0: 2, Q8_0: 8 } as const;

/** Writes random numbers as a GGUF file, which takes as much of the disk as the real one. */
export async function writeGguf(file: string, shapes: Shapes, dtype: 'Q4_0' | 'Q8_0'): Promise<void> {
  const { values, bytes } = blockFormats[dtype];
  const spread = spreadOf(shapes.filter((named) => isMatrix(named, values)));
  const blocks = randomBlocks(dtype, spread, 2 ** 24 / values);
  const vectors = new Uint8Array(pool.subarray(0, LONGEST).map((value) => 1 + 0.1 * value).buffer);
  const words = new Uint8Array(toFloat16(pool).buffer);
  const sourceOf = (named: Shapes[number]) => {
    const [name, ...shape] = named;
    if (isTable(name)) return { type: ggmlTypes.F16, from: words, length: count(shape) * 2 };
    if (isMatrix(named, values))
      return { type: ggmlTypes[dtype], from: blocks, length: (count(shape) / values) * bytes };
    return { type: ggmlTypes.F32, from: vectors, length: count(shape) * 4 };
  };
  const u32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer);
  const u64 = (value: number) => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
  const text = (value: string) => Buffer.concat([u64(value.length), Buffer.from(value)]);
  const header = [Buffer.from('GGUF'), u32(3), u64(shapes.length), u64(0)];
  let end = 0;
  for (const named of shapes) {
    const [name, ...shape] = named;
    const { type, length } = sourceOf(named);
    header.push(text(name), u32(shape.length), ...shape.toReversed().map(u64), u32(type), u64(end));
    end += Math.ceil(length / 32) * 32;
  }
  const into = await open(file, 'w');
  try {
    const joined = Buffer.concat(header);
    await into.write(Buffer.concat([joined, Buffer.alloc((32 - (joined.length % 32)) % 32)]));
    for (const named of shapes) {
      const { from, length } = sourceOf(named);
      const filled = Math.ceil(length / 32) * 32;
      for (let left = filled; left > 0; left -= from.length) await into.write(from, 0, Math.min(from.length, left));
    }
  } finally {
    await into.close();
  }
}

function randomHalves(spread: number, length: number): Uint8Array {
  const some = toFloat16(pool.map((value) => spread * value));
  const halves = new Uint16Array(length);
  for (let at = 0; at < halves.length; at += some.length) halves.set(some.subarray(0, halves.length - at), at);
  return new Uint8Array(halves.buffer);
}

/** Random codes, and scales that give the values their spread. */
function randomBlocks(dtype: BlockDtype, spread: number, blocks: number): Uint8Array {
  if (dtype !== 'Q4_0' && dtype !== 'Q8_0') throw new Error(`${dtype} is not written here; Q4_0 and Q8_0 are.`);
  const { bytes, bits } = blockFormats[dtype];
  const random = randomBytes(blocks * bytes);
  const [scale] = toFloat16(Float32Array.of(scaleOf(bits, spread)));
  for (let at = 0; at < random.length; at += bytes) {
    random[at] = scale! & 255;
    random[at + 1] = scale! >> 8;
  }
  return random;
}

/** The scale with which random codes of so many bits have a spread. */
export function scaleOf(bits: 4 | 8, spread: number): number {
  return spread / (bits === 4 ? 4.6 : 74);
}

/** @param length - what is left over of a multiple of four is 0 */
export function randomBytes(length: number): Uint8Array {
  const random = new Uint8Array(length);
  const words = new Uint32Array(random.buffer, 0, length >> 2);
  let state = 7;
  for (let i = 0; i < words.length; i++) {
    // xorshift32 (Marsaglia 2003)
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return random;
}
