import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { locked } from './lock.ts';

/** One value of `models.json`. A plain string is a folder. Fields not named here are kept as they are. */
type Named = string | { folder?: string; file?: string; aliases?: string[]; [more: string]: unknown };

/** `models.json` of a models folder: AIR → where the model is, below that folder, and its other names. */
export type NamesFile = Record<string, Named>;

/** `provider:model@version`; providers, models and versions are words of letters, digits, `.`, `_` and `-`. */
const airForm = /^[a-z\d][\w.-]*:[\w.-]+@[\w.-]+$/i;

/** @throws a sentence where the text is not an AIR */
export function checkAir(air: string): void {
  if (airForm.test(air) && air.length <= 256) return;
  throw new Error(
    `"${air}" is not an AIR. An AIR is provider:model@version, such as civitai:4384@128713 or local:mine@1.`,
  );
}

/** Empty if there is no such file. @throws a sentence if it is broken, because writing would destroy it */
export async function readNamesFile(modelsDir: string): Promise<NamesFile> {
  const file = path.join(modelsDir, 'models.json');
  let content: unknown;
  try {
    // Some editors put a byte order mark before everything.
    content = JSON.parse((await readFile(file, 'utf8')).replace(/^\ufeff/, ''));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new Error(`${file} is not valid JSON. Correct it first, or its names would be lost.`, { cause });
  }
  if (isObject(content) && Object.values(content).every(isNamed)) return content as NamesFile;
  throw new Error(`${file} does not map AIRs to models. Correct it first, or its names would be lost.`);
}

function isNamed(value: unknown): boolean {
  return (
    typeof value === 'string' || (isObject(value) && (value.aliases === undefined || Array.isArray(value.aliases)))
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Reads the file, lets `change` edit its content, and replaces the file atomically. A lock prevents lost updates by two
 * processes.
 */
export function changeNamesFile(modelsDir: string, change: (names: NamesFile) => void): Promise<void> {
  return locked(modelsDir, () => changeAlone(modelsDir, change));
}

async function changeAlone(modelsDir: string, change: (names: NamesFile) => void): Promise<void> {
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

/** The path of a model, from its entry in the file. */
export function placeOf(named: Named): string | undefined {
  const place = typeof named === 'string' ? named : (named.file ?? named.folder);
  return typeof place === 'string' ? path.posix.join(place) : undefined;
}

/** The first of some ids that a model has in the file, and the path of that model. */
export function ownerIn(names: NamesFile, ids: readonly string[]): { id: string; place: string } | undefined {
  for (const [air, named] of Object.entries(names)) {
    const own = [air, ...(typeof named === 'string' ? [] : (named.aliases ?? []))].map((id) => id.toLowerCase());
    const id = ids.find((one) => own.includes(one.toLowerCase()));
    if (id !== undefined) return { id, place: placeOf(named) ?? 'nothing' };
  }
  return undefined;
}

/** Removes ids from the models that have them. */
export function takeIds(names: NamesFile, ids: readonly string[]): void {
  const taken = new Set(ids.map((id) => id.toLowerCase()));
  for (const [air, named] of Object.entries(names)) {
    if (taken.has(air.toLowerCase())) delete names[air];
    else if (typeof named !== 'string' && named.aliases !== undefined) {
      named.aliases = named.aliases.filter((alias) => !taken.has(alias.toLowerCase()));
    }
  }
}
