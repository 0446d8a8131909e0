import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import type { HeldWeights } from '../messages.ts';
import { toFloat16 } from '../tensors/float16.ts';
import { type BlockFormat, blockFormats, isBlockDtype, isFloat8 } from './blocks.ts';
import { ModelError } from './reading.ts';
import type { StoredDtype, StoredTensor, StoredTensors } from './safetensors.ts';
import { decodeValues, multiplyRows, readBytes } from './values.ts';

/** Values that share a scale in weights of 4 and 8 bits. */
export const BLOCK = 32;

/** How a weight lies in a packed file. */
export type Held =
  /** Its bytes as they are stored. */
  | { as: 'raw' }
  /** Its values as floats, row by row. */
  | { as: 'float32' | 'float16' }
  /**
   * A matrix as onnxruntime's MatMulNBits takes it: codes of 4 or 8 bits in blocks of 32 along a row, then a scale for each
   * block, both row by row, then, where there are minima, what is added to each value of a block: [columns / 32, rows].
   */
  | { as: 'blocks'; bits: 4 | 8; hasMinima: boolean; floats: 'float32' | 'float16' };

/** A range of rows of a stored tensor, and how and where it is written. */
export interface Piece {
  source: StoredTensor;
  /** Of the tensor's first axis; absent: all. */
  rows?: readonly [from: number, to: number] | undefined;
  held: Held;
  /** Bytes from the beginning of the packed file. */
  offset: number;
}

/** A file of weights in the forms that a graph computes with, written from those that people have. */
export interface Packing {
  /** A digest of all that the file holds: sources with their versions, forms and places. Ends in `.weights`. */
  name: string;
  bytes: number;
  pieces: readonly Piece[];
}

/** Where the parts of a piece lie, from the beginning of the file. */
export interface Places {
  rows: number;
  columns: number;
  codes: { offset: number; length: number };
  scales: { offset: number; length: number };
  minima: { offset: number; length: number };
  end: number;
}

const ALIGNMENT = 64;
const aligned = (offset: number) => Math.ceil(offset / ALIGNMENT) * ALIGNMENT;

/** Rows and columns of a tensor read as a matrix: columns are the last axis of a linear layer, all but the first of a convolution. */
export function matrixOf({ shape }: StoredTensor, rows?: readonly [number, number]): [rows: number, columns: number] {
  const [all = 1, ...others] = shape;
  return [rows ? rows[1] - rows[0] : all, others.reduce((product, dim) => product * dim, 1)];
}

/** Where the parts of a piece lie that begins at `offset`. */
export function placesOf({ source, rows: range, held }: Omit<Piece, 'offset'>, offset: number): Places {
  const [rows, columns] = matrixOf(source, range);
  const floatBytes = held.as === 'raw' ? 0 : (held.as === 'blocks' ? held.floats : held.as) === 'float32' ? 4 : 2;
  const none = { offset, length: 0 };
  if (held.as !== 'blocks') {
    const share = source.length / Math.max(1, source.shape[0] ?? 1);
    const length = held.as === 'raw' ? (range ? rows * share : source.length) : rows * columns * floatBytes;
    return { rows, columns, codes: { offset, length }, scales: none, minima: none, end: aligned(offset + length) };
  }
  const blocks = rows * (columns / BLOCK);
  const codes = { offset, length: (rows * columns * held.bits) / 8 };
  const scales = { offset: aligned(offset + codes.length), length: blocks * floatBytes };
  const after = aligned(scales.offset + scales.length);
  const minima = { offset: after, length: held.hasMinima ? blocks * floatBytes : 0 };
  return { rows, columns, codes, scales, minima, end: aligned(after + minima.length) };
}

/** Names a file by all that decides its bytes. */
export function packingOf(pieces: readonly Piece[], bytes: number): Packing {
  const hash = createHash('sha256').update('1');
  for (const { source, rows, held, offset } of pieces) {
    const { file, version, dtype, shape, scale } = source;
    const parts = [file, version, dtype, shape, source.offset, source.length, scale?.offset, rows, held, offset];
    hash.update(JSON.stringify(parts));
  }
  return { name: `${hash.digest('hex').slice(0, 32)}.weights`, bytes, pieces };
}

/**
 * The form that keeps a block format or an 8-bit float small: exact for block formats with a scale for each 32 values, else
 * 8 bits, whose error is a hundredth of what the format itself has lost.
 */
export function smallestExact(dtype: StoredTensor['dtype']): { bits: 4 | 8; hasMinima: boolean } | undefined {
  if (isFloat8(dtype)) return { bits: 8, hasMinima: false };
  if (!isBlockDtype(dtype)) return undefined;
  const { group, bits, hasMinima }: BlockFormat = blockFormats[dtype];
  return group === BLOCK ? { bits, hasMinima } : { bits: 8, hasMinima: false };
}

/** Bytes of a network as float32 below which few bits spare little. */
const SMALL_BYTES = 400 * 2 ** 20;

/** Whether a network is held as floats unless something else is asked for, see `WeightsForm`. */
export function isSmall(tensors: StoredTensors): boolean {
  let bytes = 0;
  for (const { shape } of tensors.values()) bytes += 4 * shape.reduce((product, dim) => product * dim, 1);
  return bytes < SMALL_BYTES;
}

/** What rounding to 8 bits changes, over what the weights are, both as root mean squares; measured for each format that needs it. */
export const ROUNDING_ERROR = 0.005;

/** The dtype of most of the weights of a large network, where they are held in 8 bits only after rounding. */
export function roundedAnew(tensors: StoredTensors): StoredDtype | undefined {
  const bytes = new Map<StoredDtype, number>();
  for (const { dtype, length } of tensors.values()) bytes.set(dtype, (bytes.get(dtype) ?? 0) + length);
  const [dtype] = [...bytes].sort(([, a], [, b]) => b - a)[0] ?? [];
  if (dtype === undefined || isSmall(tensors)) return undefined;
  const isExact = isBlockDtype(dtype) && blockFormats[dtype].group === BLOCK;
  return smallestExact(dtype) && !isExact ? dtype : undefined;
}

/** Sums of squares: of what was lost, and of all. */
export interface Loss {
  lost: number;
  all: number;
}

/** Source bytes that are converted at once. */
const CHUNK_BYTES = 8 * 2 ** 20;

/** Writes one piece into a file. Tells what was lost where values were rounded anew; nothing is where codes are kept. */
export async function writePiece(piece: Piece, into: FileHandle, sources: Sources): Promise<Loss> {
  const { source, held } = piece;
  const loss = { lost: 0, all: 0 };
  const places = placesOf(piece, piece.offset);
  const { rows, columns } = places;
  const rowBytes = source.length / Math.max(1, source.shape[0] ?? 1);
  const from = piece.rows?.[0] ?? 0;
  // Rows that do not end with a block can be read only all together.
  const isWhole = isBlockDtype(source.dtype) && columns % blockFormats[source.dtype].values !== 0;
  const atOnce = isWhole ? rows : Math.max(1, Math.floor(CHUNK_BYTES / Math.max(1, rowBytes)));
  const minima = new Float32Array(held.as === 'blocks' && held.hasMinima ? rows * (columns / BLOCK) : 0);
  for (let row = 0; row < rows; row += atOnce) {
    const count = Math.min(atOnce, rows - row);
    const bytes = await sources.read(source, (from + row) * rowBytes, count * rowBytes);
    if (held.as === 'raw') {
      await writeAt(into, bytes, places.codes.offset + row * rowBytes);
      continue;
    }
    if (held.as !== 'blocks') {
      const values = await valuesOf(source, bytes, from + row, columns, sources);
      const width = held.as === 'float32' ? 4 : 2;
      await writeAt(
        into,
        held.as === 'float32' ? values : toFloat16(values),
        places.codes.offset + row * columns * width,
      );
      continue;
    }
    const blocks = count * (columns / BLOCK);
    const packed = { codes: new Uint8Array((blocks * BLOCK * held.bits) / 8), scales: new Float32Array(blocks) };
    const minimaHere = new Float32Array(held.hasMinima ? blocks : 0);
    if (keepsCodes(source.dtype, held))
      repack(source.dtype as keyof typeof blockFormats, bytes, held.bits, packed, minimaHere);
    else {
      const values = await valuesOf(source, bytes, from + row, columns, sources);
      quantise(values, held, packed, minimaHere, loss);
    }
    const firstBlock = row * (columns / BLOCK);
    const scales = held.floats === 'float32' ? packed.scales : toFloat16(packed.scales);
    await writeAt(into, packed.codes, places.codes.offset + (row * columns * held.bits) / 8);
    await writeAt(into, scales, places.scales.offset + firstBlock * scales.BYTES_PER_ELEMENT);
    if (held.hasMinima) minima.set(minimaHere, firstBlock);
  }
  if (held.as === 'blocks' && held.hasMinima) {
    const turned = transposed(minima, rows, columns / BLOCK);
    await writeAt(into, held.floats === 'float32' ? turned : toFloat16(turned), places.minima.offset);
  }
  return loss;
}

/** Files that weights are read from, each opened once. */
export class Sources {
  private readonly handles = new Map<string, Promise<FileHandle>>();

  async read(tensor: StoredTensor, from?: number, count?: number): Promise<Uint8Array<ArrayBuffer>> {
    let opened = this.handles.get(tensor.file);
    if (!opened) {
      opened = open(tensor.file, 'r');
      this.handles.set(tensor.file, opened);
    }
    return readBytes(await opened, tensor, from, count);
  }

  async close(): Promise<void> {
    for (const opened of this.handles.values()) await opened.then((handle) => handle.close()).catch(() => {});
  }
}

async function writeAt(into: FileHandle, values: ArrayBufferView, position: number): Promise<void> {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await into.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Whether the codes of a format can be kept as they are. */
function keepsCodes(dtype: StoredTensor['dtype'], held: { bits: 4 | 8; hasMinima: boolean }): boolean {
  if (!isBlockDtype(dtype)) return false;
  const { group, bits, hasMinima }: BlockFormat = blockFormats[dtype];
  return group === BLOCK && bits <= held.bits && (held.hasMinima || !hasMinima);
}

interface Packed {
  codes: Uint8Array;
  scales: Float32Array;
}

/** Codes of a block format as MatMulNBits has them: neighbours side by side, the low nibble first, from 0 upwards. */
function repack(
  dtype: keyof typeof blockFormats,
  bytes: Uint8Array,
  bits: 4 | 8,
  { codes, scales }: Packed,
  minima: Float32Array,
): void {
  const format: BlockFormat = blockFormats[dtype];
  const groups = format.values / BLOCK;
  const read = new Int8Array(format.values);
  const [someScales, someMinima] = [new Float32Array(groups), new Float32Array(groups)];
  for (let block = 0, at = 0, to = 0; at < bytes.length; block += groups, at += format.bytes) {
    format.unpack(bytes, at, read, someScales, someMinima);
    scales.set(someScales, block);
    if (minima.length > 0) minima.set(someMinima, block);
    if (bits === 8) for (let j = 0; j < format.values; j++) codes[to++] = read[j]! + 128;
    else for (let j = 0; j < format.values; j += 2) codes[to++] = (read[j]! + 8) | ((read[j + 1]! + 8) << 4);
  }
}

/**
 * Rounds values to codes of 4 or 8 bits. Without minima a scale is the largest value of its block over the largest code;
 * with them the codes span exactly from the smallest to the largest value.
 */
function quantise(
  values: Float32Array,
  { bits, hasMinima }: { bits: 4 | 8; hasMinima: boolean },
  { codes, scales }: Packed,
  minima: Float32Array,
  loss: Loss,
): void {
  const zero = 2 ** (bits - 1);
  const highest = 2 * zero - 1;
  const half = zero + 0.5;
  let { lost, all } = loss;
  for (let index = 0, at = 0, to = 0; at < values.length; index++) {
    const end = at + BLOCK;
    let [low, high] = [values[at]!, values[at]!];
    for (let j = at + 1; j < end; j++) {
      const value = values[j]!;
      if (value < low) low = value;
      else if (value > high) high = value;
    }
    const scale = Math.fround(hasMinima ? (high - low) / highest : Math.max(-low, high) / (zero - 1));
    const minimum = hasMinima ? Math.fround(low + zero * scale) : 0;
    const inverse = scale === 0 ? 0 : 1 / scale;
    // Every tenth block tells what is lost well enough.
    if (index % 10 === 0) {
      for (let j = at; j < end; j++) {
        const value = values[j]!;
        const error = value - minimum - scale * Math.round((value - minimum) * inverse);
        lost += error * error;
        all += value * value;
      }
    }
    // Codes count from 0 here, so that what is cut off rounds to the nearest.
    if (bits === 8) for (; at < end; at++) codes[at] = (values[at]! * inverse + half) | 0;
    else {
      for (; at < end; at += 2) {
        const even = ((values[at]! - minimum) * inverse + half) | 0;
        const odd = ((values[at + 1]! - minimum) * inverse + half) | 0;
        codes[to++] = (even > highest ? highest : even) | ((odd > highest ? highest : odd) << 4);
      }
    }
    scales[index] = scale;
    if (hasMinima) minima[index] = minimum;
  }
  loss.lost = lost;
  loss.all = all;
}

/** The values of some rows of a tensor, whatever it is stored as. */
async function valuesOf(
  source: StoredTensor,
  bytes: Uint8Array<ArrayBuffer>,
  firstRow: number,
  columns: number,
  sources: Sources,
): Promise<Float32Array> {
  const values = plainValues(source.dtype, bytes);
  if (!source.scale) return values;
  multiplyRows(values, plainValues(source.scale.dtype, await sources.read(source.scale)), columns, firstRow);
  return values;
}

function plainValues(dtype: StoredDtype, bytes: Uint8Array<ArrayBuffer>): Float32Array {
  const values = decodeValues(dtype, bytes);
  if (values) return values;
  throw new ModelError(`A weight is stored as ${dtype}, which is not supported.`);
}

function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) turned[column * rows + row] = values[row * columns + column]!;
  }
  return turned;
}

/** What an element takes as float32, over what it takes as it is stored; 1 for all others. */
const widening: Partial<Record<StoredDtype, number>> = { F16: 2, BF16: 2, F64: 0.5 };

/** Bytes of a tensor in memory, where the network computes in float32. */
export function widenedBytes(tensor: StoredTensor, weights: HeldWeights = 'auto'): number {
  const { dtype, length, shape } = tensor;
  const [rows, columns] = matrixOf(tensor);
  const small = smallestExact(dtype);
  const floats = small ? rows * columns * 4 : length * (widening[dtype] ?? 1);
  if (weights === 'float16' || shape.length < 2 || columns % BLOCK !== 0) return floats;
  const isLinear = shape.slice(2).every((size) => size === 1);
  const bits = weights === 'int4' ? 4 : (small?.bits ?? (weights === 'int8' && isLinear ? 8 : undefined));
  // For each block a scale, and a sum that onnxruntime adds when it packs the codes.
  return bits === undefined ? floats : rows * columns * (bits / 8 + 8 / BLOCK);
}
