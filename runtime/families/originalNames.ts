import type { StoredTensor, StoredTensors } from '../files/safetensors.ts';
import { partOf } from '../files/storedRows.ts';
import type { LoraAlias } from './family.ts';

/** Modules of a transformer in its original layout and in diffusers; `*` is the number of a block. */
export type ModuleNames = readonly (readonly [original: string, diffusers: string])[];

/** The name of a module in the other layout; undefined where the table has none. */
export interface Renaming {
  toDiffusers(path: string): string | undefined;
  toOriginal(path: string): string | undefined;
}

/** Reads a table of names in both directions. */
export function renamingBy(names: ModuleNames): Renaming {
  const [toDiffusers, toOriginal] = [new Map(names), new Map(names.map(([original, other]) => [other, original]))];
  return {
    toDiffusers: (path) => renamed(toDiffusers, path),
    toOriginal: (path) => renamed(toOriginal, path),
  };
}

/** A path with the number of its block, by names without it. */
function renamed(names: ReadonlyMap<string, string>, path: string): string | undefined {
  const [, block] = /_blocks\.(\d+)\./.exec(path) ?? [];
  if (block === undefined) return names.get(path);
  return names.get(path.replace(`_blocks.${block}.`, '_blocks.*.'))?.replace('_blocks.*.', `_blocks.${block}.`);
}

/** Before the names of a transformer that lies in a file with other parts. */
const prefixes = ['model.diffusion_model.', 'diffusion_model.'];

/** Whether a transformer has a tensor of this name, in a file of its own or with other parts. */
export function holds(tensors: StoredTensors, name: string): boolean {
  return ['', ...prefixes].some((prefix) => tensors.has(prefix + name));
}

/** A tensor of a transformer in its original layout, or in that of diffusers. */
export interface OriginalTensor {
  /** Without the prefix: `path.part`. */
  name: string;
  path: string;
  part: string;
  /** Whether its rows are those of the module. What a quantized matrix has beside it, such as one scale, has others. */
  isRows: boolean;
  tensor: StoredTensor;
  /** Another tensor of the same transformer. */
  beside(name: string): StoredTensor | undefined;
}

/** Tensors under the names that `rename` gives each of them, which may be several, or none. */
export function renamedTensors(
  stored: StoredTensors,
  rename: (original: OriginalTensor) => readonly (readonly [name: string, tensor: StoredTensor])[],
): StoredTensors {
  const tensors = new Map<string, StoredTensor>();
  for (const [full, tensor] of stored) {
    const prefix = prefixes.find((each) => full.startsWith(each)) ?? '';
    const name = full.slice(prefix.length);
    const at = name.lastIndexOf('.');
    const [path, part] = [name.slice(0, at), name.slice(at + 1)];
    const isRows = part === 'weight' || part === 'bias';
    const beside = (other: string) => stored.get(prefix + other);
    for (const renaming of rename({ name, path, part, isRows, tensor, beside })) tensors.set(...renaming);
  }
  return tensors;
}

/** Modules of equal size that lie in one matrix, the first in its first rows. Scales and the like are those of each. */
export function separated({ name, part, isRows, tensor }: OriginalTensor, modules: readonly string[]) {
  return modules.map((module, index) => {
    const rows = isRows ? partOf(tensor, index, modules.length, name) : tensor;
    return [`${module}.${part}`, rows] as const;
  });
}

/** The name and the rows of a matrix in which `index` modules of `width` rows come before this one. */
export function fusedAlias(name: string, index: number, width: number): LoraAlias {
  return { name, rows: [index * width, (index + 1) * width] };
}
