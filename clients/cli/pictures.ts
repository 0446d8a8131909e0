/** What the commands share that write pictures. */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Generation, LatentwireError, type TaskResult } from '../typescript/index.ts';
import { Progress } from './progress.ts';
import { UsageError } from './usage.ts';

const formats = { '.png': 'PNG', '.jpg': 'JPG', '.jpeg': 'JPG', '.webp': 'WEBP' } as const;

/** The format of an output file by its name; without one, PNG. */
export function formatOf(output: string | undefined) {
  const extension = path.extname(output ?? '.png').toLowerCase() || '.png';
  if (!Object.hasOwn(formats, extension))
    throw new UsageError(`--output ends in .png, .jpg or .webp, not ${extension}.`);
  return { extension, outputFormat: formats[extension as keyof typeof formats] };
}

/** Writes the results of a task, which must come as base64, and shows its progress. Ctrl-C cancels it. */
export async function writeResults<Result extends TaskResult>(
  generation: Generation<Result>,
  count: number,
  nameOf: (result: Result) => string,
): Promise<void> {
  const progress = new Progress(count);
  const cancel = () => {
    // A second Ctrl-C then ends the program at once.
    process.off('SIGINT', cancel);
    generation.cancel().catch(() => {});
  };
  process.on('SIGINT', cancel);
  try {
    for await (const event of generation) {
      if (event.event === 'result') {
        const name = nameOf(event);
        await writeFile(name, Buffer.from(event.imageBase64Data ?? '', 'base64'));
        progress.wrote(name, event);
      } else progress.heard(event);
    }
    await generation.results;
  } catch (error) {
    if (error instanceof LatentwireError && error.code === 'taskCancelled') {
      throw Object.assign(new Error('cancelled'), { exitCode: 130 });
    }
    throw error;
  } finally {
    process.off('SIGINT', cancel);
    progress.end();
  }
}

/** @param option - names it in errors */
export async function readImage(option: string, source: string): Promise<string | Uint8Array> {
  if (/^https?:\/\//.test(source) || /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(source)) return source;
  try {
    return await readFile(source);
  } catch (cause) {
    throw new UsageError(`${option}: the file ${source} cannot be read.`, { cause });
  }
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

export function definedOnly<T extends object>(values: T): Defined<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Defined<T>;
}
