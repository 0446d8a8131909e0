import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { locked } from './lock.js';

/** `provider:model@version`; providers, models and versions are words of letters, digits, `.`, `_` and `-`. */
const airForm = /^[a-z\d][\w.-]*:[\w.-]+@[\w.-]+$/i;
/** @throws a sentence where the text is not an AIR */
export function checkAir(air) {
  if (airForm.test(air) && air.length <= 256) return;
  throw new Error(
    `"${air}" is not an AIR: that is provider:model@version, such as civitai:4384@128713 or local:mine@1.`,
  );
}
/** Empty where there is no such file. @throws a sentence where it is broken: it would be lost by writing over it */
export async function readNamesFile(modelsDir) {
  const file = path.join(modelsDir, 'models.json');
  let content;
  try {
    // Some editors put a byte order mark before everything.
    content = JSON.parse((await readFile(file, 'utf8')).replace(/^\ufeff/, ''));
  } catch (cause) {
    if (cause.code === 'ENOENT') return {};
    throw new Error(`${file} cannot be read as JSON; correct it first, so that its names are not lost.`, { cause });
  }
  if (isObject(content) && Object.values(content).every(isNamed)) return content;
  throw new Error(`${file} does not map AIRs to models; correct it first, so that its names are not lost.`);
}
function isNamed(value) {
  return (
    typeof value === 'string' || (isObject(value) && (value.aliases === undefined || Array.isArray(value.aliases)))
  );
}
function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
/**
 * Reads the file anew, lets `change` work on its content, and writes it whole: readers see the old or the new one, and of
 * two processes that change it at once neither loses what it wrote.
 */
export function changeNamesFile(modelsDir, change) {
  return locked(modelsDir, () => changeAlone(modelsDir, change));
}
async function changeAlone(modelsDir, change) {
  const names = await readNamesFile(modelsDir);
  const before = JSON.stringify(names);
  change(names);
  if (JSON.stringify(names) === before) return;
  const temporary = path.join(modelsDir, `.models.json.${randomBytes(4).toString('hex')}`);
  try {
    const handle = await open(temporary, 'wx');
    try {
      await handle.writeFile(`${JSON.stringify(names, undefined, 2)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path.join(modelsDir, 'models.json'));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
/** Where a value of the file says its model is. */
export function placeOf(named) {
  const place = typeof named === 'string' ? named : (named.file ?? named.folder);
  return typeof place === 'string' ? path.posix.join(place) : undefined;
}
/** The first of some ids that the file gives to a model, and where that is. */
export function ownerIn(names, ids) {
  for (const [air, named] of Object.entries(names)) {
    const own = [air, ...(typeof named === 'string' ? [] : (named.aliases ?? []))].map((id) => id.toLowerCase());
    const id = ids.find((one) => own.includes(one.toLowerCase()));
    if (id !== undefined) return { id, place: placeOf(named) ?? 'nothing' };
  }
  return undefined;
}
/** Takes ids away from whatever they name. */
export function takeIds(names, ids) {
  const taken = new Set(ids.map((id) => id.toLowerCase()));
  for (const [air, named] of Object.entries(names)) {
    if (taken.has(air.toLowerCase())) delete names[air];
    else if (typeof named !== 'string' && named.aliases !== undefined) {
      named.aliases = named.aliases.filter((alias) => !taken.has(alias.toLowerCase()));
    }
  }
}
//# sourceMappingURL=namesFile.js.map
