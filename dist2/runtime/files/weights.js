import { readGgufHeader } from './gguf.js';
import { readSafetensorsHeader, readStoredTensors } from './safetensors.js';
export function isGguf(file) {
  return /\.gguf$/i.test(file);
}
/** Reads the header of a safetensors or a GGUF file; which one it is, its name says. */
export async function readWeightsHeader(file) {
  if (!isGguf(file)) return readSafetensorsHeader(file);
  const { tensors, metadata } = await readGgufHeader(file);
  const words = Object.entries(metadata).filter(([, value]) => !Array.isArray(value));
  return { tensors, metadata: Object.fromEntries(words.map(([key, value]) => [key, String(value)])) };
}
/** The same for what may also be an index of shards, see `readStoredTensors`. */
export async function readWeights(file) {
  return isGguf(file) ? (await readGgufHeader(file)).tensors : readStoredTensors(file);
}
//# sourceMappingURL=weights.js.map
