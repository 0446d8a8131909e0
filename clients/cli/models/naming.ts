import path from 'node:path';
import { type ModelParts, weightsStem } from '../../../runtime/index.ts';
import { findEntry, type Local } from './local.ts';
import { changeNamesFile, checkAir, ownerIn, placeOf, readNamesFile, takeIds } from './namesFile.ts';
import { checkFree, checkName } from './staging.ts';

/** Further names of a model for tasks. */
export interface Names {
  air?: string | undefined;
  aliases: readonly string[];
  /** Whether to take ids from the models that have them in `models.json`. */
  force: boolean;
}

/** Throws a sentence if the models folder cannot take a new model under that name. */
export async function checkNewName(local: Local, name: string): Promise<void> {
  checkName(name);
  await checkFree(local.modelsDir, name);
  const owner = findEntry(await local.list(), `local:${name}@1`);
  if (owner !== undefined) throw new Error(`${owner.model.folder} has the name ${name}. Give another --name.`);
}

/**
 * Throws a sentence if a model cannot have these names. Changes nothing.
 *
 * @param file - absolute path that the model has or will have
 */
export async function checkNames(local: Local, { air, aliases, force }: Names, file: string): Promise<void> {
  if (air !== undefined) checkAir(air);
  for (const alias of aliases) {
    if (!/^\S+$/.test(alias) || alias.length > 256)
      throw new Error(`"${alias}" cannot be an alias: an alias is one word.`);
  }
  const entries = await local.list();
  const names = await readNamesFile(local.modelsDir);
  for (const id of [...(air === undefined ? [] : [air]), ...aliases]) {
    const place = ownerIn(names, [id])?.place;
    const owner = findEntry(entries, id)?.model.folder ?? (place && path.join(local.modelsDir, place));
    if (owner === undefined || owner === file) continue;
    const said = `${owner} has the name ${id}`;
    if (place === undefined) throw new Error(`${said} by default. Give another.`);
    if (!force) throw new Error(`${said}. Give another, or --force to take it.`);
  }
}

/** Writes the names of a model that is in its place now. @param place - below the models folder */
export async function writeNames(
  local: Local,
  place: string,
  { air, aliases, force, parts = {} }: Names & { parts?: ModelParts },
  isFolder: boolean,
): Promise<void> {
  const choosesParts = Object.keys(parts).length > 0;
  if (air === undefined && aliases.length === 0 && !choosesParts) return;
  const where = place.split(path.sep).join('/');
  const key = air ?? `local:${weightsStem(path.posix.basename(where))}@1`;
  await changeNamesFile(local.modelsDir, (names) => {
    // Another process may have used them since the check.
    const owner = force ? undefined : ownerIn(names, [key, ...aliases]);
    if (owner !== undefined && owner.place !== where) {
      throw new Error(
        `${owner.place} got the name ${owner.id} in the meantime. ${where} was added without its names. Add it again with others.`,
      );
    }
    const { [key]: before } = names;
    takeIds(names, [key, ...aliases]);
    // What else an entry says of the same model stays.
    const { aliases: _, ...known } = typeof before === 'object' && placeOf(before) === where ? before : {};
    const named = { ...known, ...(isFolder ? { folder: where } : { file: where }), ...parts };
    const isPlain = isFolder && Object.keys(named).length === 1;
    names[key] = aliases.length > 0 ? { ...named, aliases: [...aliases] } : isPlain ? where : named;
  });
}
