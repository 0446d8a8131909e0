import type { BigIntStats } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { BlockDtype } from './blocks.ts';
import { foreignKind } from './foreign.ts';
import { withScales } from './scales.ts';

/** Bits of one element, by the names safetensors uses. */
const bitsOf = {
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E4M3: 8,
  F8_E5M2: 8,
  F8_E8M0: 8,
  U16: 16,
  I16: 16,
  F16: 16,
  BF16: 16,
  U32: 32,
  I32: 32,
  F32: 32,
  U64: 64,
  I64: 64,
  F64: 64,
  C64: 64,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
} as const;

/** Those of safetensors files, and the block formats of GGUF files. */
export type StoredDtype = keyof typeof bitsOf | BlockDtype;

/** One tensor as it lies on disk. */
export interface StoredTensor {
  dtype: StoredDtype;
  /** Row-major, in PyTorch order; `[]` for a scalar. */
  shape: readonly number[];
  /** The bytes are those of the transposed matrix: stored in columns, though `shape` is that of the matrix meant. */
  transposed?: true;
  /** The second half of the rows lies before the first: scale and shift, which file layouts order in two ways. */
  swapped?: true;
  /** Absolute path of the file that holds the bytes; its real one, where the model has a link to it. */
  file: string;
  /** What `versionOf` said of that file when its header was read: what is known of the bytes holds for that version. */
  version?: string;
  /** Bytes from the beginning of that file (header included). */
  offset: number;
  /** Bytes. */
  length: number;
  /** What the values stored are multiplied by: one number, or one for each row. Only 8-bit floats have it. */
  scale?: StoredTensor;
}

export type StoredTensors = ReadonlyMap<string, StoredTensor>;

export interface SafetensorsHeader {
  tensors: StoredTensors;
  metadata: Readonly<Record<string, string>>;
}

/** The file is not a usable safetensors file; the message is a sentence that names the file and the reason. */
export class SafetensorsError extends Error {
  override readonly name = 'SafetensorsError';
}

/**
 * Bytes; a longer header is an attack or not safetensors at all. Those of published models have less than 1 MB, and the
 * reference implementation reads 100 MB, which would hold a process up for seconds.
 */
const longestHeader = 16_000_000;

/**
 * Reads the header of one safetensors file, never its tensors.
 * Every bound is checked before it is used: a graph built from the result points native code at these offsets.
 */
export async function readSafetensorsHeader(file: string): Promise<SafetensorsHeader> {
  const name = basename(file);
  const refuse = (reason: string, cause?: unknown) =>
    new SafetensorsError(`${name} is not a usable safetensors file: ${reason}.`, { cause });
  /** Where not even the header is one, the file may be something else altogether. */
  const refuseHeader = async (reason: string, cause?: unknown) =>
    refuse((await foreignKind(file, 'safetensors')) ?? reason, cause);
  let handle: FileHandle;
  try {
    handle = await open(file, 'r');
  } catch (cause) {
    throw new SafetensorsError(`${name} cannot be opened: ${codeOf(cause)}.`, { cause });
  }
  try {
    const found = await handle.stat({ bigint: true });
    if (!found.isFile()) throw refuse('it is a folder or a device');
    const size = Number(found.size);
    if (size < 10) throw await refuseHeader(`it has ${size} bytes, fewer than the smallest header`);
    const prefix = await readExactly(handle, 0, 8);
    const declared = prefix.readBigUInt64LE(0);
    if (declared > BigInt(size - 8)) {
      const claim = `its header claims ${declared} bytes, but the file has ${size} (it may be truncated; download it again)`;
      throw await refuseHeader(claim);
    }
    if (declared > BigInt(longestHeader)) {
      throw await refuseHeader(`its header claims ${declared} bytes, which is too long`);
    }
    if (declared < 2n) throw await refuseHeader(`its header claims ${declared} bytes`);
    const headerLength = Number(declared);
    let text: string;
    let parsed: unknown;
    try {
      text = new TextDecoder('utf-8', { fatal: true }).decode(await readExactly(handle, 8, headerLength));
      parsed = JSON.parse(text);
    } catch (cause) {
      throw await refuseHeader('its header is not JSON', cause);
    }
    const twice = repeatedKey(text);
    if (twice !== undefined) throw refuse(`its header names "${twice.slice(0, 120)}" twice`);
    // Where the bytes really are: onnxruntime maps no file through a link, and caches of downloads are full of them.
    const where = { file: await realpath(file), version: versionOf(found) };
    return checkHeader(parsed, where, size, 8 + headerLength, refuse);
  } finally {
    await handle.close();
  }
}

/** The first key that a JSON object, known to be valid, has twice; JSON.parse would keep the last without a word. */
function repeatedKey(text: string): string | undefined {
  const keys = new Set<string>();
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '{' || char === '[') depth++;
    else if (char === '}' || char === ']') depth--;
    else if (char === '"') {
      const from = at++;
      while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
      if (depth !== 1) continue;
      let next = at + 1;
      while (/\s/.test(text[next] ?? '')) next++;
      if (text[next] !== ':') continue;
      const key = JSON.parse(text.slice(from, at + 1)) as string;
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}

function checkHeader(
  parsed: unknown,
  where: Pick<StoredTensor, 'file' | 'version'>,
  size: number,
  dataStart: number,
  refuse: (reason: string) => SafetensorsError,
): SafetensorsHeader {
  if (!isObject(parsed)) throw refuse('its header is not a JSON object');
  const tensors = new Map<string, StoredTensor>();
  const metadata: Record<string, string> = {};
  for (const [name, entry] of Object.entries(parsed)) {
    if (name === '__metadata__') {
      if (!isObject(entry)) throw refuse('its __metadata__ is not an object');
      for (const [key, value] of Object.entries(entry)) if (typeof value === 'string') metadata[key] = value;
      continue;
    }
    const label = `tensor "${name.slice(0, 120)}"`;
    if (!isObject(entry)) throw refuse(`${label} is not described by an object`);
    const { dtype, shape, data_offsets: offsets } = entry;
    if (typeof dtype !== 'string' || !Object.hasOwn(bitsOf, dtype)) {
      throw refuse(`${label} has the unknown dtype ${JSON.stringify(dtype) ?? 'undefined'}`);
    }
    if (!isCounts(shape)) throw refuse(`${label} has a shape that is not a list of whole numbers`);
    if (!isCounts(offsets) || offsets.length !== 2) throw refuse(`${label} has no pair of data offsets`);
    const [begin, end] = offsets as [number, number];
    if (end < begin) throw refuse(`${label} ends before it begins`);
    if (dataStart + end > size) {
      throw refuse(
        `${label} ends at byte ${dataStart + end}, but the file has ${size} (it may be truncated; download it again)`,
      );
    }
    const bits = shape.reduce((product, dim) => product * dim, bitsOf[dtype as keyof typeof bitsOf]);
    if (bits !== (end - begin) * 8) {
      throw refuse(`${label} has shape [${shape.join(', ')}] of ${dtype} but ${end - begin} bytes of data`);
    }
    tensors.set(name, {
      dtype: dtype as StoredDtype,
      shape,
      ...where,
      offset: dataStart + begin,
      length: end - begin,
    });
  }
  const inOrder = [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.length - b.length);
  for (let i = 1; i < inOrder.length; i++) {
    const [previousName, previous] = inOrder[i - 1]!;
    const [name, tensor] = inOrder[i]!;
    if (tensor.offset < previous.offset + previous.length) {
      throw refuse(`tensors "${previousName}" and "${name}" overlap`);
    }
  }
  return { tensors: withScales(tensors), metadata };
}

/**
 * Reads the tensors of a checkpoint that may be one `.safetensors` file or an index (`.safetensors.index.json`, or with a
 * variant in its name) naming its shards. Shards must lie beside the index.
 */
export async function readStoredTensors(file: string): Promise<StoredTensors> {
  if (!file.endsWith('.json')) return (await readSafetensorsHeader(file)).tensors;
  const name = basename(file);
  let index: unknown;
  const handle = await open(file, 'r').catch((cause: unknown) => {
    throw new SafetensorsError(`${name} cannot be opened: ${codeOf(cause)}.`, { cause });
  });
  try {
    const found = await handle.stat();
    if (!found.isFile() || found.size > longestHeader) {
      throw new SafetensorsError(`${name} is not an index: it has ${found.size} bytes, which is too many.`);
    }
    index = JSON.parse(await handle.readFile('utf8'));
  } catch (cause) {
    if (cause instanceof SafetensorsError) throw cause;
    const kind = await foreignKind(file, 'json');
    throw new SafetensorsError(`${name} is not readable JSON${kind === undefined ? '' : `: ${kind}`}.`, { cause });
  } finally {
    await handle.close();
  }
  const shardOf = isObject(index) ? index.weight_map : undefined;
  if (!isObject(shardOf)) throw new SafetensorsError(`${name} has no weight_map.`);
  const shards = new Map<string, StoredTensors>();
  const tensors = new Map<string, StoredTensor>();
  for (const [tensorName, shard] of Object.entries(shardOf)) {
    // A shard outside the folder would let a downloaded model point native code at any file.
    if (typeof shard !== 'string' || shard !== basename(shard) || !shard.endsWith('.safetensors')) {
      throw new SafetensorsError(`${name} names a shard that is not a safetensors file beside it.`);
    }
    let held = shards.get(shard);
    if (!held) {
      held = (await readSafetensorsHeader(join(dirname(file), shard))).tensors;
      shards.set(shard, held);
    }
    const tensor = held.get(tensorName);
    if (!tensor) throw new SafetensorsError(`${name} says that "${tensorName}" is in ${shard}, but it is not.`);
    tensors.set(tensorName, tensor);
  }
  return tensors;
}

/** Differs whenever a file was replaced, cut or written to. */
export function versionOf({ dev, ino, size, mtimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}`;
}

async function readExactly(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return buffer.subarray(0, filled);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}

function codeOf(cause: unknown): string {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  if (code === 'ENOENT') return 'there is no such file';
  return code ?? String(cause);
}
