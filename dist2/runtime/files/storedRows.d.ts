import type { StoredTensor } from './safetensors.ts';
/** A range of a tensor's rows as a tensor: rows lie together in a file, so nothing is copied. */
export declare function rowsOf(tensor: StoredTensor, from: number, to: number): StoredTensor;
/** One of `count` equal ranges of rows. */
export declare function partOf(tensor: StoredTensor, index: number, count: number, name: string): StoredTensor;
