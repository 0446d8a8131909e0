import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { toFloats } from '../tensors/decode.ts';
import { dequantise, float8Tables, isBlockDtype, isFloat8 } from './blocks.ts';
import { ModelError } from './reading.ts';
import type { StoredTensor } from './safetensors.ts';

/** The bytes of a part of a tensor, in memory of their own, so that views of wider numbers find them aligned. */
export async function readBytes(
  handle: FileHandle,
  { file, offset, length }: StoredTensor,
  from = 0,
  count = length,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(count);
  for (let filled = 0; filled < count; ) {
    const { bytesRead } = await handle.read(bytes, filled, count - filled, offset + from + filled);
    if (bytesRead === 0) throw new ModelError(`${basename(file)} became shorter while the server read it.`);
    filled += bytesRead;
  }
  return bytes;
}

/** Values as float32, however they are stored; undefined for types that hold no numbers with a fraction. */
export function decodeValues(dtype: StoredTensor['dtype'], bytes: Uint8Array<ArrayBuffer>): Float32Array | undefined {
  if (isBlockDtype(dtype)) return dequantise(dtype, bytes);
  if (!isFloat8(dtype)) return toFloats(dtype, bytes.buffer);
  const table = float8Tables[dtype];
  const values = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) values[i] = table[bytes[i]!]!;
  return values;
}

/** Multiplies rows by their scale, in place: one for all, or one for each row of the tensor. */
export function multiplyRows(values: Float32Array, scale: Float32Array, columns: number, firstRow = 0): void {
  for (let row = 0, i = 0; i < values.length; row++) {
    const factor = scale.length === 1 ? scale[0]! : scale[firstRow + row]!;
    for (const end = i + columns; i < end; i++) values[i]! *= factor;
  }
}

/** The values of one small tensor. @throws {ModelError} for types that hold no numbers with a fraction */
export async function readValues(tensor: StoredTensor): Promise<Float32Array> {
  const handle = await open(tensor.file, 'r');
  try {
    const values = decodeValues(tensor.dtype, await readBytes(handle, tensor));
    if (!values) {
      throw new ModelError(
        `the weights are stored as ${tensor.dtype}; supported are F32, F16, BF16, F64 and 8-bit floats.`,
      );
    }
    const scale = tensor.scale && decodeValues(tensor.scale.dtype, await readBytes(handle, tensor.scale));
    if (scale) multiplyRows(values, scale, values.length / (tensor.shape[0] ?? 1));
    return values;
  } finally {
    await handle.close();
  }
}
