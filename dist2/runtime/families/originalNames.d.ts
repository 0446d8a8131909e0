/** Modules of a transformer in its original layout and in diffusers; `*` is the number of a block. */
export type ModuleNames = readonly (readonly [original: string, diffusers: string])[];
/** The name of a module in the other layout; undefined where the table has none. */
export interface Renaming {
  toDiffusers(path: string): string | undefined;
  toOriginal(path: string): string | undefined;
}
/** Reads a table of names in both directions. */
export declare function renamingBy(names: ModuleNames): Renaming;
