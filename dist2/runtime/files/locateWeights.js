import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isFile, isPickle, ModelError, pickleReason } from './reading.js';
/** How the file of a component's weights is called, without endings. */
export const textStem = 'model';
export const networkStem = 'diffusion_pytorch_model';
/**
 * The file to read a component's weights from: `<stem>.safetensors`, else its index of shards, else the half-precision
 * variant (`fp16`, then `bf16`) as a file or an index, else the only other variant there is.
 *
 * @param part - what to call the component in complaints
 * @returns Absolute path, or undefined where the folder has nothing of the kind.
 * @throws {ModelError} where there are only pickled weights, or several variants and no reason to take one of them
 */
export async function locateWeights(folder, stem, part) {
  const names = await readdir(folder).catch(() => []);
  const found = new Map();
  for (const name of names.sort()) {
    const variant = variantOf(name, stem);
    if (variant === undefined || !(await isFile(join(folder, name)))) continue;
    // A whole file before an index of shards.
    const files = found.get(variant) ?? [];
    if (name.endsWith('.json')) files.push(name);
    else files.unshift(name);
    found.set(variant, files);
  }
  const others = [...found.keys()].filter((variant) => !['', 'fp16', 'bf16'].includes(variant));
  for (const variant of ['', 'fp16', 'bf16', ...(others.length === 1 ? others : [])]) {
    const [name] = found.get(variant) ?? [];
    if (name !== undefined) return join(folder, name);
  }
  if (others.length > 1) {
    throw new ModelError(`The ${part} has only variants (${others.join(', ')}), and none of them is fp16 or bf16.`);
  }
  const pickled = names.find(isPickle);
  if (pickled) throw new ModelError(`The ${part} has only ${basename(folder)}/${pickled}: ${pickleReason}`);
  return undefined;
}
/**
 * The variant in a file's name, empty for none, undefined where the file is something else. An index has carried the
 * variant in three places: `m.safetensors.index.fp16.json`, `m.safetensors.fp16.index.json`, `m.fp16.safetensors.index.json`.
 */
function variantOf(name, stem) {
  if (!name.startsWith(`${stem}.`)) return undefined;
  const words = name.slice(stem.length + 1).split('.');
  const variants = words.filter((word) => !['safetensors', 'index', 'json'].includes(word));
  const rest = words.filter((word) => !variants.includes(word)).join('.');
  if (variants.length > 1 || !['safetensors', 'safetensors.index.json'].includes(rest)) return undefined;
  return variants[0] ?? '';
}
//# sourceMappingURL=locateWeights.js.map
