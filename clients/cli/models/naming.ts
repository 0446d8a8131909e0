import { findEntry, type Local } from './local.ts';
import { changeNamesFile, checkAir, placeOf, readNamesFile, takeIds } from './namesFile.ts';
import { checkFree, checkName } from './staging.ts';

/** What a model is to be called. */
export interface Names {
  /** Of its folder, or of its file without `.safetensors`. */
  name: string;
  air?: string | undefined;
  aliases: readonly string[];
  /** Whether ids that `models.json` gives to others may be taken from them. */
  force: boolean;
}

/** Throws a sentence where a model cannot be called that. Nothing is changed yet. */
export async function checkNames(local: Local, { name, air, aliases, force }: Names): Promise<void> {
  checkName(name);
  if (air !== undefined) checkAir(air);
  for (const alias of aliases) {
    if (!/^\S+$/.test(alias) || alias.length > 256) throw new Error(`"${alias}" cannot be an alias: it is one word.`);
  }
  await checkFree(local.modelsDir, name);
  const entries = await local.list();
  const inFile = new Map(
    Object.entries(await readNamesFile(local.modelsDir)).flatMap(([id, named]) => {
      const ids = [id, ...(typeof named === 'string' ? [] : (named.aliases ?? []))];
      return ids.map((one): [string, string] => [one.toLowerCase(), placeOf(named) ?? 'nothing']);
    }),
  );
  for (const id of new Set([ownId(name), ...(air === undefined ? [] : [air]), ...aliases])) {
    const place = inFile.get(id.toLowerCase());
    const owner = findEntry(entries, id);
    if (place === undefined && owner === undefined) continue;
    const said = `${id} is taken by ${owner?.model.folder ?? place}`;
    if (id === ownId(name)) throw new Error(`${said}. Give another --name.`);
    if (place === undefined) throw new Error(`${said}, whose own name that is. Give another.`);
    if (!force) throw new Error(`${said}. Give another, or --force to take it.`);
  }
}

/** Writes the names of a model that is in its place now. @param item - `name` for a folder, `name.safetensors` for a file */
export async function writeNames(local: Local, item: string, { name, air, aliases }: Names): Promise<void> {
  if (air === undefined && aliases.length === 0) return;
  const key = air ?? ownId(name);
  await changeNamesFile(local.modelsDir, (names) => {
    takeIds(names, [key, ...aliases]);
    const where = item === name ? { folder: item } : { file: item };
    names[key] = aliases.length > 0 ? { ...where, aliases: [...aliases] } : item === name ? item : where;
  });
}

function ownId(name: string): string {
  return `local:${name}@1`;
}
