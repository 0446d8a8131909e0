import { readGgufHeader } from './gguf.ts';
import { readSafetensorsHeader, readStoredTensors, type StoredTensors } from './safetensors.ts';

/** The tensors of one file of weights, and what it says about itself in words; numbers of GGUF are written out. */
export interface WeightsHeader {
  tensors: StoredTensors;
  metadata: Readonly<Record<string, string>>;
}

export function isGguf(file: string): boolean {
  return /\.gguf$/i.test(file);
}

/** Reads the header of a safetensors or a GGUF file; which one it is, its name says. */
export async function readWeightsHeader(file: string): Promise<WeightsHeader> {
  if (!isGguf(file)) return readSafetensorsHeader(file);
  const { tensors, metadata } = await readGgufHeader(file);
  const words = Object.entries(metadata).filter(([, value]) => !Array.isArray(value));
  return { tensors, metadata: Object.fromEntries(words.map(([key, value]) => [key, String(value)])) };
}

/** The same for what may also be an index of shards, see `readStoredTensors`. */
export async function readWeights(file: string): Promise<StoredTensors> {
  return isGguf(file) ? (await readGgufHeader(file)).tensors : readStoredTensors(file);
}
