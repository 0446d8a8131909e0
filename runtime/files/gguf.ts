import { type FileHandle, open, realpath } from 'node:fs/promises';
import { basename } from 'node:path';
import { blockFormats } from './blocks.ts';
import { foreignKind } from './foreign.ts';
import { type StoredDtype, type StoredTensor, type StoredTensors, versionOf } from './safetensors.ts';

/** A value of a GGUF file's metadata; whole numbers beyond 2^53 are rounded. */
export type GgufValue = number | boolean | string | readonly GgufValue[];

export interface GgufHeader {
  /** Under the names in the file, which say nothing of a prefix; shapes in PyTorch order. */
  tensors: StoredTensors;
  metadata: Readonly<Record<string, GgufValue>>;
}

/** The file is not a usable GGUF file; the message is a sentence that names the file and the reason. */
export class GgufError extends Error {
  override readonly name = 'GgufError';
}

/**
 * Bytes; a longer header is an attack. A language model's brings its vocabulary and merges, 10 MB of them for
 * 150,000 words.
 */
const LONGEST_HEADER = 64 * 2 ** 20;
/** Names of tensors have at most 64 bytes by the format, keys at most 65,535. */
const LONGEST_NAME = 65_535;
const MOST_TENSORS = 100_000;
const MOST_VALUES = 2_000_000;
const DEEPEST = 4;

/** ggml's numbers of types. */
const types: Readonly<Record<number, { name: string; dtype?: StoredDtype; values: number; bytes: number }>> = {
  0: { name: 'F32', dtype: 'F32', values: 1, bytes: 4 },
  1: { name: 'F16', dtype: 'F16', values: 1, bytes: 2 },
  2: ofBlocks('Q4_0'),
  3: ofBlocks('Q4_1'),
  6: ofBlocks('Q5_0'),
  7: ofBlocks('Q5_1'),
  8: ofBlocks('Q8_0'),
  10: ofBlocks('Q2_K'),
  11: ofBlocks('Q3_K'),
  12: ofBlocks('Q4_K'),
  13: ofBlocks('Q5_K'),
  14: ofBlocks('Q6_K'),
  20: ofBlocks('IQ4_NL'),
  23: ofBlocks('IQ4_XS'),
  24: { name: 'I8', dtype: 'I8', values: 1, bytes: 1 },
  25: { name: 'I16', dtype: 'I16', values: 1, bytes: 2 },
  26: { name: 'I32', dtype: 'I32', values: 1, bytes: 4 },
  27: { name: 'I64', dtype: 'I64', values: 1, bytes: 8 },
  28: { name: 'F64', dtype: 'F64', values: 1, bytes: 8 },
  30: { name: 'BF16', dtype: 'BF16', values: 1, bytes: 2 },
};

/** Types that there are and that nothing reads here. */
const unread: Readonly<Record<number, string>> = {
  ...{ 9: 'Q8_1', 15: 'Q8_K', 16: 'IQ2_XXS', 17: 'IQ2_XS', 18: 'IQ3_XXS', 19: 'IQ1_S', 21: 'IQ3_S', 22: 'IQ2_S' },
  ...{ 29: 'IQ1_M', 34: 'TQ1_0', 35: 'TQ2_0', 39: 'MXFP4' },
};

function ofBlocks(dtype: keyof typeof blockFormats) {
  const { values, bytes } = blockFormats[dtype];
  return { name: dtype, dtype, values, bytes };
}

/**
 * Reads the header of a GGUF file (version 2 or 3, little-endian), never its tensors.
 * Every bound is checked before it is used: what is read later, is read where this says.
 */
export async function readGgufHeader(file: string): Promise<GgufHeader> {
  const name = basename(file);
  const refuse = (reason: string, cause?: unknown) =>
    new GgufError(`${name} is not a usable GGUF file: ${reason}.`, { cause });
  const handle = await open(file, 'r').catch((cause: NodeJS.ErrnoException) => {
    const reason = cause.code === 'ENOENT' ? 'there is no such file' : (cause.code ?? String(cause));
    throw new GgufError(`${name} cannot be opened: ${reason}.`, { cause });
  });
  try {
    const found = await handle.stat({ bigint: true });
    if (!found.isFile()) throw refuse('it is a folder or a device');
    const size = Number(found.size);
    const where = { file: await realpath(file), version: versionOf(found) };
    // Most headers are short; one that is cut off is read anew with four times as much of the file.
    for (let length = 2 ** 18; ; length *= 4) {
      const bytes = await readStart(handle, Math.min(length, size, LONGEST_HEADER));
      try {
        return parse(bytes, size, where, refuse);
      } catch (error) {
        if (!(error instanceof EndsEarly)) throw error;
        if (bytes.length >= size) throw refuse('it ends within its header (it may be truncated; download it again)');
        if (bytes.length >= LONGEST_HEADER) {
          throw refuse(`its header is longer than ${LONGEST_HEADER} bytes, which is too long`);
        }
      }
    }
  } catch (error) {
    if (!(error instanceof NotGguf)) throw error;
    throw refuse((await foreignKind(file, 'gguf')) ?? error.message);
  } finally {
    await handle.close();
  }
}

/** What was read of the file does not reach to the end of its header. */
class EndsEarly extends Error {}
class NotGguf extends Error {}

async function readStart(handle: FileHandle, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

type Refuse = (reason: string) => GgufError;

/** Reads on from byte to byte, and never beyond what it was given. */
class Cursor {
  readonly bytes: Buffer;
  readonly refuse: Refuse;
  at = 0;
  /** Values of metadata so far. */
  values = 0;

  constructor(bytes: Buffer, refuse: Refuse) {
    this.bytes = bytes;
    this.refuse = refuse;
  }

  /** Where `length` bytes begin that were stepped over. */
  take(length: number): number {
    const { at } = this;
    if (at + length > this.bytes.length) throw new EndsEarly();
    this.at = at + length;
    return at;
  }

  u32(): number {
    return this.bytes.readUInt32LE(this.take(4));
  }

  /** A count or a place; one that no file can hold is refused before anything is done with it. */
  u64(what: string): number {
    const value = this.bytes.readBigUInt64LE(this.take(8));
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw this.refuse(`${what} is ${value}, which is too large`);
    return Number(value);
  }

  text(what: string, longest: number): string {
    const length = this.u64(`the length of ${what}`);
    if (length > longest) throw this.refuse(`${what} has ${length} bytes; at most ${longest} are read`);
    const at = this.take(length);
    return this.bytes.toString('utf8', at, at + length);
  }

  value(type: number, key: string, depth = 0): GgufValue {
    if (++this.values > MOST_VALUES) throw this.refuse(`it has more than ${MOST_VALUES} values of metadata`);
    const { bytes } = this;
    switch (type) {
      case 0:
        return bytes.readUInt8(this.take(1));
      case 1:
        return bytes.readInt8(this.take(1));
      case 2:
        return bytes.readUInt16LE(this.take(2));
      case 3:
        return bytes.readInt16LE(this.take(2));
      case 4:
        return this.u32();
      case 5:
        return bytes.readInt32LE(this.take(4));
      case 6:
        return bytes.readFloatLE(this.take(4));
      case 7:
        return bytes.readUInt8(this.take(1)) !== 0;
      case 8:
        return this.text(`the value of "${key}"`, LONGEST_HEADER);
      case 9: {
        if (depth >= DEEPEST) throw this.refuse(`"${key}" has lists nested too deeply`);
        const inner = this.u32();
        const length = this.u64(`the length of "${key}"`);
        // Grows with what is really there, whatever length was claimed.
        const list: GgufValue[] = [];
        for (let i = 0; i < length; i++) list.push(this.value(inner, key, depth + 1));
        return list;
      }
      case 10:
        return Number(bytes.readBigUInt64LE(this.take(8)));
      case 11:
        return Number(bytes.readBigInt64LE(this.take(8)));
      case 12:
        return bytes.readDoubleLE(this.take(8));
      default:
        throw this.refuse(`"${key}" has the unknown type ${type}`);
    }
  }
}

function parse(bytes: Buffer, size: number, where: Pick<StoredTensor, 'file' | 'version'>, refuse: Refuse): GgufHeader {
  if (bytes.toString('latin1', 0, 4) !== 'GGUF') throw new NotGguf('it does not begin with GGUF');
  const cursor = new Cursor(bytes, refuse);
  cursor.take(4);
  const version = cursor.u32();
  if (version === 0x02000000 || version === 0x03000000) throw refuse('it is big-endian, which is not supported');
  if (version !== 2 && version !== 3) throw refuse(`it has version ${version}; supported are 2 and 3`);
  const count = cursor.u64('its number of tensors');
  const keys = cursor.u64('its number of keys');
  if (count > MOST_TENSORS) throw refuse(`it claims ${count} tensors; at most ${MOST_TENSORS} are read`);
  if (keys > MOST_VALUES) throw refuse(`it claims ${keys} keys of metadata; at most ${MOST_VALUES} are read`);
  const metadata: Record<string, GgufValue> = Object.create(null);
  for (let i = 0; i < keys; i++) {
    const key = cursor.text('a key', LONGEST_NAME);
    const label = key.slice(0, 120);
    if (Object.hasOwn(metadata, key)) throw refuse(`its metadata names "${label}" twice`);
    metadata[key] = cursor.value(cursor.u32(), label);
  }
  const alignment = metadata['general.alignment'] ?? 32;
  if (typeof alignment !== 'number' || !(alignment >= 1 && alignment <= 2 ** 20) || alignment & (alignment - 1)) {
    throw refuse('its alignment is not a power of two');
  }
  const infos = Array.from({ length: count }, () => readInfo(cursor));
  const dataStart = Math.ceil(cursor.at / alignment) * alignment;
  const tensors = new Map<string, StoredTensor>();
  for (const { name, dims, type, offset } of infos) {
    const label = `tensor "${name.slice(0, 120)}"`;
    if (tensors.has(name)) throw refuse(`it names ${label} twice`);
    tensors.set(name, { ...described(label, dims, type, refuse), ...where, offset: dataStart + offset });
  }
  checkPlaces(tensors, size, alignment, refuse);
  for (const [name, tensor] of tensors) {
    const shape = originalShape(metadata, name, tensor);
    if (shape) tensors.set(name, { ...tensor, shape });
  }
  return { tensors, metadata };
}

interface Info {
  name: string;
  dims: number[];
  type: number;
  offset: number;
}

function readInfo(cursor: Cursor): Info {
  const name = cursor.text('the name of a tensor', LONGEST_NAME);
  const label = `tensor "${name.slice(0, 120)}"`;
  const rank = cursor.u32();
  if (rank > 4) throw cursor.refuse(`${label} has ${rank} axes; at most 4 are possible`);
  const dims = Array.from({ length: rank }, () => cursor.u64(`an axis of ${label}`));
  return { name, dims, type: cursor.u32(), offset: cursor.u64(`the place of ${label}`) };
}

function described(label: string, dims: number[], type: number, refuse: Refuse) {
  const { name, dtype, values, bytes } = types[type] ?? {};
  if (dtype === undefined || values === undefined || bytes === undefined) {
    const called = unread[type] ?? name ?? `number ${type}`;
    const known = Object.values(types).map((other) => other.name);
    throw refuse(`${label} is of the type ${called}, which is not supported; supported are ${known.join(', ')}`);
  }
  const [row = 1] = dims;
  if (row % values !== 0)
    throw refuse(`${label} has rows of ${row} values, which is not a multiple of the block size ${values}`);
  const length = dims.reduce((product, dim) => product * dim, bytes) / values;
  if (!Number.isSafeInteger(length)) throw refuse(`${label} has the shape [${dims.join(', ')}], which is too large`);
  // The format counts axes from the innermost one.
  return { dtype, shape: [...dims].reverse(), length };
}

function checkPlaces(tensors: StoredTensors, size: number, alignment: number, refuse: Refuse): void {
  const inOrder = [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.length - b.length);
  let end = 0;
  let before = '';
  for (const [name, { offset, length }] of inOrder) {
    const label = `tensor "${name.slice(0, 120)}"`;
    if (offset % alignment !== 0) throw refuse(`${label} is not aligned to ${alignment} bytes`);
    if (offset + length > size) {
      throw refuse(
        `${label} ends at byte ${offset + length}, but the file has ${size} (it may be truncated; download it again)`,
      );
    }
    if (offset < end) throw refuse(`tensors "${before.slice(0, 120)}" and "${name.slice(0, 120)}" overlap`);
    if (length > 0) [end, before] = [offset + length, name];
  }
}

/** Where a writer had to fold axes so that rows fill blocks, it says the shape that was meant (ComfyUI-GGUF's key). */
function originalShape(
  metadata: Readonly<Record<string, GgufValue>>,
  name: string,
  { shape }: StoredTensor,
): number[] | undefined {
  const said = metadata[`comfy.gguf.orig_shape.${name}`];
  if (!Array.isArray(said) || !said.every((dim): dim is number => Number.isSafeInteger(dim) && (dim as number) > 0)) {
    return undefined;
  }
  const product = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);
  if (product(said) !== product(shape)) return undefined;
  return said;
}
