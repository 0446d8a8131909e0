import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import type { StoredTensors } from '../../runtime/files/safetensors.ts';

/** A tensor to be written; values as float32 unless `dtype` says otherwise. */
export interface NewTensor {
  shape: readonly number[];
  data: Float32Array | Uint16Array | BigInt64Array | Uint8Array;
  dtype?: 'F32' | 'F16' | 'BF16' | 'I64' | 'U8' | 'F8_E4M3' | 'F8_E5M2';
}

/** Writes a safetensors file. */
export async function writeSafetensors(
  file: string,
  tensors: Record<string, NewTensor>,
  metadata?: Record<string, string>,
): Promise<void> {
  const header: Record<string, unknown> = metadata ? { __metadata__: metadata } : {};
  let end = 0;
  for (const [name, { shape, data, dtype = 'F32' }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [end, end + data.byteLength] };
    end += data.byteLength;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const bodies = Object.values(tensors).map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  await writeFile(file, Buffer.concat([length, text, ...bodies]));
}

/** The float32 values of a tensor in the bytes of its file; a view, so writing to it changes the bytes. */
export function float32View(tensors: StoredTensors, name: string, bytes: Uint8Array): Float32Array {
  const tensor = tensors.get(name);
  if (tensor?.dtype !== 'F32') throw new Error(`no float32 tensor ${name}`);
  return new Float32Array(bytes.buffer, bytes.byteOffset + tensor.offset, tensor.length / 4);
}

/** The bytes of a file in memory of their own, aligned for `float32View` if the header is. */
export function readOwn(file: string): Uint8Array {
  return new Uint8Array(readFileSync(file));
}
