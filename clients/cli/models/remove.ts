import { lstat, realpath, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { isWeightsFile, weightsStem } from '../../../runtime/index.ts';
import { readArguments, readOnly } from '../usage.ts';
import { findEntry, type Local, openLocal } from './local.ts';
import { changeNamesFile, type NamesFile, placeOf, readNamesFile } from './namesFile.ts';
import { localOptions, localOptionsHelp } from './options.ts';
import { companions, openStaging } from './staging.ts';

export const removeHelp = `Usage: latentwire models remove AIR|NAME [--yes]

Deletes a model of the models folder and its names in models.json. Without --yes it only lists what it would delete. The
original of a linked model stays.

Options:
  --yes                Delete
${localOptionsHelp}
`;

/** Everything to delete with a model. */
interface Doomed {
  modelsDir: string;
  /** Absolute paths of files, folders and links. */
  files: string[];
  /** Keys of `models.json`. */
  names: string[];
}

export async function remove(args: string[]): Promise<void> {
  const { values, positionals } = readArguments('models remove', args, {
    ...localOptions,
    yes: { type: 'boolean' },
  });
  const name = readOnly(positionals, 'which model to remove, by AIR or name');
  const doomed = await find(openLocal(values), name);
  const { files, names, modelsDir } = doomed;
  const lines = [...files, ...names.map((id) => `${id} in ${path.join(modelsDir, 'models.json')}`)];
  process.stdout.write(lines.map((line) => `${line}\n`).join(''));
  if (!values.yes) throw new Error('Nothing was removed. Give --yes to remove what is listed above.');
  await using staging = await openStaging(modelsDir);
  // Move before deleting: a server must not find half a model.
  for (const [i, file] of files.entries()) await rename(file, path.join(staging.folder, String(i)));
  await changeNamesFile(modelsDir, (all) => {
    for (const id of names) delete all[id];
  });
  for (const i of files.keys()) await rm(path.join(staging.folder, String(i)), { recursive: true });
  process.stderr.write('Removed.\n');
}

async function find(local: Local, name: string): Promise<Doomed> {
  const entry = findEntry(await local.list(), name);
  if (entry === undefined) return await findName(local, name);
  const file = entry.model.folder;
  for (const modelsDir of local.modelsDirs) {
    const place = path.relative(modelsDir, file);
    const names = namesOf(await readNamesFile(modelsDir), place);
    const inside = place !== '' && !place.startsWith('..') && !path.isAbsolute(place);
    if (inside) return { modelsDir, files: await filesOf(modelsDir, file), names };
    // The model is in another folder; only its name is in this one.
    if (names.length > 0) return { modelsDir, files: [], names };
  }
  throw new Error(`${entry.air} is part of the program and cannot be removed.`);
}

/** A name whose model no longer exists. */
async function findName({ modelsDirs }: Local, name: string): Promise<Doomed> {
  for (const modelsDir of modelsDirs) {
    const names = Object.keys(await readNamesFile(modelsDir)).filter((id) => id.toLowerCase() === name.toLowerCase());
    if (names.length > 0) return { modelsDir, files: [], names };
  }
  throw new Error(`There is no model ${name}. See latentwire models.`);
}

function namesOf(all: NamesFile, place: string): string[] {
  const wanted = place.split(path.sep).join('/');
  return Object.entries(all)
    .filter(([, named]) => placeOf(named) === wanted)
    .map(([id]) => id);
}

async function filesOf(modelsDir: string, file: string): Promise<string[]> {
  const [root, parent] = [await realpath(modelsDir), await realpath(path.dirname(file))];
  if (parent !== root && !parent.startsWith(root + path.sep)) {
    throw new Error(`${file} is behind a link to ${parent}, outside ${modelsDir}. Remove it there.`);
  }
  const isFile = isWeightsFile(file);
  const stem = weightsStem(file);
  const files = [];
  for (const each of [file, ...(isFile ? companions.map((ending) => stem + ending) : [])])
    if (await lstat(each).catch(() => undefined)) files.push(each);
  return files;
}
