import { readdirSync, statSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { foreignKind } from './foreign.ts';

/** The model cannot be used; the message is a sentence naming the part and the reason. */
export class ModelError extends Error {
  override readonly name = 'ModelError';
}

/** Puts the name of the part before any complaint about it. */
export async function inPart<T>(part: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    if (reason.startsWith(`The ${part}`)) throw cause;
    const sentence = reason.endsWith('.') ? reason : `${reason}.`;
    throw new ModelError(`The ${part} cannot be used: ${sentence}`, { cause });
  }
}

/** Bytes of the largest config that is read; published ones have a few thousand. */
const mostConfigBytes = 4 * 2 ** 20;

/** Bytes of the largest file of a tokenizer that is read; CLIP's have 2 MB. */
export const mostTokenizerBytes = 32 * 2 ** 20;

/** Undefined when the file does not exist; a sentence naming it when it cannot be read or is larger than `mostBytes`. */
export async function readText(file: string, mostBytes = mostConfigBytes): Promise<string | undefined> {
  const name = `${basename(dirname(file))}/${basename(file)}`;
  try {
    const found = await stat(file);
    // A pipe or a device would be read for ever.
    if (!found.isFile()) throw new ModelError(`${name} is not a file.`);
    if (found.size > mostBytes) {
      throw new ModelError(`${name} has ${found.size} bytes, which is too many; at most ${mostBytes} are read.`);
    }
    return await readFile(file, 'utf8');
  } catch (cause) {
    if (cause instanceof ModelError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new ModelError(`${name} cannot be read: ${code}.`, { cause });
  }
}

/** The same for what is not a JSON object. */
export async function readJson(
  file: string,
  mostBytes = mostConfigBytes,
): Promise<Record<string, unknown> | undefined> {
  const name = `${basename(dirname(file))}/${basename(file)}`;
  const text = await readText(file, mostBytes);
  if (text === undefined) return undefined;
  const value = parsed(text);
  if (isObject(value)) return value;
  const named = parsed(text.replace(unboundedNumbers, '$1"$2"'));
  if (isObject(named)) return named;
  const kind = await foreignKind(file, 'json');
  throw new ModelError(`${name} is not a JSON object${kind === undefined ? ' (it may be truncated)' : `: ${kind}`}.`);
}

/** Numbers that JSON lacks and Python writes nevertheless, such as `"lambda_min_clipped": -Infinity`; they become texts. */
const unboundedNumbers = /([:,[]\s*)(-?Infinity|NaN)(?=\s*[,}\]])/g;

/** The text itself where it is not JSON. */
export function parsed(text: string): unknown {
  try {
    // Some editors put a byte order mark before everything.
    return JSON.parse(text.replace(/^\ufeff/, ''));
  } catch {
    return text;
  }
}

export async function isFile(file: string): Promise<boolean> {
  return stat(file).then(
    (found) => found.isFile(),
    () => false,
  );
}

export async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Weights that Python unpickles: opening them can run code. */
export function isPickle(name: string): boolean {
  return /\.(bin|pt|pth|ckpt|pkl)$/i.test(name);
}

export const pickleReason = 'pickled weights are refused, because opening them can run code. Use safetensors or ONNX.';

/** Names, sizes and times of files, and of folders with what lies in them; the same while nothing changed. */
export function fingerprint(paths: readonly string[]): string {
  const files: string[] = [];
  const visit = (path: string, depth: number) => {
    try {
      const found = statSync(path);
      files.push(`${path} ${found.size} ${found.mtimeMs}`);
      if (found.isDirectory() && depth < 2)
        for (const name of readdirSync(path).sort()) visit(join(path, name), depth + 1);
    } catch {
      files.push(`${path} missing`);
    }
  };
  for (const path of paths) visit(path, 0);
  return files.join('\n');
}
