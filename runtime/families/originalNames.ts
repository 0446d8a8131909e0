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
