import { type StoredTensors } from './safetensors.ts';
/** The tensors of one file of weights, and what it says about itself in words; numbers of GGUF are written out. */
export interface WeightsHeader {
  tensors: StoredTensors;
  metadata: Readonly<Record<string, string>>;
}
export declare function isGguf(file: string): boolean;
/** Reads the header of a safetensors or a GGUF file; which one it is, its name says. */
export declare function readWeightsHeader(file: string): Promise<WeightsHeader>;
/** The same for what may also be an index of shards, see `readStoredTensors`. */
export declare function readWeights(file: string): Promise<StoredTensors>;
