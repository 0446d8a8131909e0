/** Reads a table of names in both directions. */
export function renamingBy(names) {
  const [toDiffusers, toOriginal] = [new Map(names), new Map(names.map(([original, other]) => [other, original]))];
  return {
    toDiffusers: (path) => renamed(toDiffusers, path),
    toOriginal: (path) => renamed(toOriginal, path),
  };
}
/** A path with the number of its block, by names without it. */
function renamed(names, path) {
  const [, block] = /_blocks\.(\d+)\./.exec(path) ?? [];
  if (block === undefined) return names.get(path);
  return names.get(path.replace(`_blocks.${block}.`, '_blocks.*.'))?.replace('_blocks.*.', `_blocks.${block}.`);
}
//# sourceMappingURL=originalNames.js.map
