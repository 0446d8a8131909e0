import type { BigIntStats } from 'node:fs';
import type { BlockDtype } from './blocks.ts';

/** Bits of one element, by the names safetensors uses. */
declare const bitsOf: {
  readonly BOOL: 8;
  readonly U8: 8;
  readonly I8: 8;
  readonly F8_E4M3: 8;
  readonly F8_E5M2: 8;
  readonly F8_E8M0: 8;
  readonly U16: 16;
  readonly I16: 16;
  readonly F16: 16;
  readonly BF16: 16;
  readonly U32: 32;
  readonly I32: 32;
  readonly F32: 32;
  readonly U64: 64;
  readonly I64: 64;
  readonly F64: 64;
  readonly C64: 64;
  readonly F4: 4;
  readonly F6_E2M3: 6;
  readonly F6_E3M2: 6;
};
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
export declare class SafetensorsError extends Error {
  readonly name = 'SafetensorsError';
}
/**
 * Reads the header of one safetensors file, never its tensors.
 * Every bound is checked before it is used: a graph built from the result points native code at these offsets.
 */
export declare function readSafetensorsHeader(file: string): Promise<SafetensorsHeader>;
/**
 * Reads the tensors of a checkpoint that may be one `.safetensors` file or an index (`.safetensors.index.json`, or with a
 * variant in its name) naming its shards. Shards must lie beside the index.
 */
export declare function readStoredTensors(file: string): Promise<StoredTensors>;
/** Differs whenever a file was replaced, cut or written to. */
export declare function versionOf({ dev, ino, size, mtimeNs }: BigIntStats): string;
