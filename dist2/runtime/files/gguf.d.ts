import { type StoredTensors } from './safetensors.ts';
/** A value of a GGUF file's metadata; whole numbers beyond 2^53 are rounded. */
export type GgufValue = number | boolean | string | readonly GgufValue[];
export interface GgufHeader {
  /** Under the names in the file, which say nothing of a prefix; shapes in PyTorch order. */
  tensors: StoredTensors;
  metadata: Readonly<Record<string, GgufValue>>;
}
/** The file is not a usable GGUF file; the message is a sentence that names the file and the reason. */
export declare class GgufError extends Error {
  readonly name = 'GgufError';
}
/**
 * Reads the header of a GGUF file (version 2 or 3, little-endian), never its tensors.
 * Every bound is checked before it is used: what is read later, is read where this says.
 */
export declare function readGgufHeader(file: string): Promise<GgufHeader>;
