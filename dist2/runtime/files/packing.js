import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { fromFloat16, toFloat16 } from '../tensors/float16.js';
import { blockFormats, dequantise, float8Tables, isBlockDtype, isFloat8 } from './blocks.js';
import { ModelError } from './reading.js';
/** Values that share a scale in weights of 4 and 8 bits. */
export const BLOCK = 32;
const ALIGNMENT = 64;
const aligned = (offset) => Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
/** Rows and columns of a tensor read as a matrix: columns are the last axis of a linear layer, all but the first of a convolution. */
export function matrixOf({ shape }, rows) {
  const [all = 1, ...others] = shape;
  return [rows ? rows[1] - rows[0] : all, others.reduce((product, dim) => product * dim, 1)];
}
/** Where the parts of a piece lie that begins at `offset`. */
export function placesOf({ source, rows: range, held }, offset) {
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
export function packingOf(pieces, bytes) {
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
export function smallestExact(dtype) {
  if (isFloat8(dtype)) return { bits: 8, hasMinima: false };
  if (!isBlockDtype(dtype)) return undefined;
  const { group, bits, hasMinima } = blockFormats[dtype];
  return group === BLOCK ? { bits, hasMinima } : { bits: 8, hasMinima: false };
}
/** Source bytes that are converted at once. */
const CHUNK_BYTES = 8 * 2 ** 20;
/** Writes one piece into a file. Tells what was lost where values were rounded anew; nothing is where codes are kept. */
export async function writePiece(piece, into, sources) {
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
    if (keepsCodes(source.dtype, held)) repack(source.dtype, bytes, held.bits, packed, minimaHere);
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
  handles = new Map();
  async read({ file, offset, length }, from = 0, count = length) {
    let opened = this.handles.get(file);
    if (!opened) {
      opened = open(file, 'r');
      this.handles.set(file, opened);
    }
    const handle = await opened;
    // From `ArrayBuffer`, so that views of wider numbers find it aligned.
    const bytes = new Uint8Array(count);
    for (let filled = 0; filled < count; ) {
      const { bytesRead } = await handle.read(bytes, filled, count - filled, offset + from + filled);
      if (bytesRead === 0) throw new ModelError(`${basename(file)} became shorter while it was read.`);
      filled += bytesRead;
    }
    return bytes;
  }
  async close() {
    for (const opened of this.handles.values()) await opened.then((handle) => handle.close()).catch(() => {});
  }
}
async function writeAt(into, values, position) {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await into.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
/** Whether the codes of a format can be kept as they are. */
function keepsCodes(dtype, held) {
  if (!isBlockDtype(dtype)) return false;
  const { group, bits, hasMinima } = blockFormats[dtype];
  return group === BLOCK && bits <= held.bits && (held.hasMinima || !hasMinima);
}
/** Codes of a block format as MatMulNBits has them: neighbours side by side, the low nibble first, from 0 upwards. */
function repack(dtype, bytes, bits, { codes, scales }, minima) {
  const format = blockFormats[dtype];
  const groups = format.values / BLOCK;
  const read = new Int8Array(format.values);
  const [someScales, someMinima] = [new Float32Array(groups), new Float32Array(groups)];
  for (let block = 0, at = 0, to = 0; at < bytes.length; block += groups, at += format.bytes) {
    format.unpack(bytes, at, read, someScales, someMinima);
    scales.set(someScales, block);
    if (minima.length > 0) minima.set(someMinima, block);
    if (bits === 8) for (let j = 0; j < format.values; j++) codes[to++] = read[j] + 128;
    else for (let j = 0; j < format.values; j += 2) codes[to++] = (read[j] + 8) | ((read[j + 1] + 8) << 4);
  }
}
/**
 * Rounds values to codes of 4 or 8 bits. Without minima a scale is the largest value of its block over the largest code;
 * with them the codes span exactly from the smallest to the largest value.
 */
function quantise(values, { bits, hasMinima }, { codes, scales }, minima, loss) {
  const zero = 2 ** (bits - 1);
  const most = zero - 1;
  const block = new Uint8Array(BLOCK);
  let { lost, all } = loss;
  for (let index = 0, at = 0, to = 0; at < values.length; index++, at += BLOCK) {
    let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (let j = at; j < at + BLOCK; j++) {
      const value = values[j];
      if (value < low) low = value;
      if (value > high) high = value;
    }
    const scale = Math.fround(hasMinima ? (high - low) / (2 * zero - 1) : Math.max(-low, high) / most);
    const minimum = hasMinima ? Math.fround(low + zero * scale) : 0;
    const inverse = scale === 0 ? 0 : 1 / scale;
    for (let j = 0; j < BLOCK; j++) {
      const value = values[at + j];
      const code = Math.max(-zero, Math.min(most, Math.round((value - minimum) * inverse)));
      block[j] = code + zero;
      const error = value - (scale * code + minimum);
      lost += error * error;
      all += value * value;
    }
    scales[index] = scale;
    if (hasMinima) minima[index] = minimum;
    if (bits === 8) codes.set(block, at);
    else for (let j = 0; j < BLOCK; j += 2) codes[to++] = block[j] | (block[j + 1] << 4);
  }
  loss.lost = lost;
  loss.all = all;
}
/** The values of some rows of a tensor, whatever it is stored as. */
async function valuesOf(source, bytes, firstRow, columns, sources) {
  const values = plainValues(source.dtype, bytes);
  if (!source.scale) return values;
  const scale = plainValues(source.scale.dtype, await sources.read(source.scale));
  if (scale.length === 1) return values.map((value) => value * scale[0]);
  return values.map((value, i) => value * scale[firstRow + Math.floor(i / columns)]);
}
function plainValues(dtype, bytes) {
  if (isBlockDtype(dtype)) return dequantise(dtype, bytes);
  if (isFloat8(dtype)) {
    const table = float8Tables[dtype];
    const values = new Float32Array(bytes.length);
    for (let i = 0; i < bytes.length; i++) values[i] = table[bytes[i]];
    return values;
  }
  const { buffer, byteOffset, byteLength } = bytes;
  switch (dtype) {
    case 'F32':
      return new Float32Array(buffer, byteOffset, byteLength / 4);
    case 'F64':
      return Float32Array.from(new Float64Array(buffer, byteOffset, byteLength / 8));
    case 'F16':
      return fromFloat16(new Uint16Array(buffer, byteOffset, byteLength / 2));
    case 'BF16': {
      const halves = new Uint16Array(buffer, byteOffset, byteLength / 2);
      const bits = new Uint32Array(halves.length);
      for (let i = 0; i < halves.length; i++) bits[i] = halves[i] << 16;
      return new Float32Array(bits.buffer);
    }
    default:
      throw new ModelError(`A weight is stored as ${dtype}, which no values can be read from.`);
  }
}
function transposed(values, rows, columns) {
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) turned[column * rows + row] = values[row * columns + column];
  }
  return turned;
}
//# sourceMappingURL=packing.js.map
