import { readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import {
  type EncoderKind,
  encoderNames,
  type ModelSettings,
  type TokenizerName,
  type TokenizerSource,
  tokenizerOf,
} from '../families/family.ts';
import { weightsStem } from '../files/names.ts';
import { isFile, isObject, ModelError, mostTokenizerBytes, readJson } from '../files/reading.ts';
import { modelRoots } from './separateParts.ts';

/**
 * Finds the tokenizer of a single file, which holds none. For `models/dream.safetensors`, in this order:
 *
 * 1. the folder that `dream.safetensors.json` names under `tokenizer`;
 * 2. `models/dream.tokenizer/`, the file's own, with `vocab.json` and `merges.txt` or `tokenizer.json`;
 * 3. `models/tokenizer/`, shared by all files beside it;
 * 4. a published vocabulary that comes with the program (CLIP's), where the token embedding has a row for each of its words;
 * 5. the tokenizer of any diffusers folder in `models/` that is of the same kind and size.
 *
 * For `tokenizer_2` folders of that name come first, then those of `tokenizer`: two CLIP encoders read the same
 * vocabulary, and differ in the padding alone. Only a folder of 1. and 2. is asked how it pads; otherwise the family
 * decides, as SD 1 pads with the end of text and SD 2 and XL's second encoder with `!`.
 *
 * @throws {ModelError} saying what to provide where
 */
export async function findTokenizer(
  file: string,
  name: TokenizerName,
  {
    settings,
    kind,
    rows,
    padToken: published,
  }: { settings: ModelSettings; kind: EncoderKind; rows: number; padToken: string | undefined },
): Promise<TokenizerSource> {
  const models = dirname(file);
  const stem = weightsStem(basename(file));
  // Two encoders of CLIP's kind read the same vocabulary; those of other kinds have theirs alone.
  const isClip = kind.publishedWords !== undefined;
  const names: TokenizerName[] = name === 'tokenizer' || !isClip ? [name] : [name, 'tokenizer'];
  for (const each of names) {
    const given = settings.tokenizerPaths?.[each];
    const own = given === undefined ? join(models, `${stem}.${each}`) : resolve(models, given);
    const padToken = each === name ? undefined : published;
    if (given !== undefined || (await holdsVocabulary(own)))
      return { folder: await fitting(kind, own, name, rows), padToken };
  }
  const roots = modelRoots(file);
  for (const shared of names.flatMap((each) => roots.map((root) => join(root, each)))) {
    if (await holdsVocabulary(shared)) return { folder: await fitting(kind, shared, name, rows), padToken: published };
  }
  if (kind.publishedWords !== undefined && rows >= kind.publishedWords)
    return { folder: undefined, padToken: published };
  for (const root of roots) {
    const neighbours: string[] = await readdir(root).catch(() => []);
    for (const neighbour of neighbours.sort()) {
      if (!(await isFile(join(root, neighbour, 'model_index.json')))) continue;
      for (const each of isClip ? ['tokenizer'] : encoderNames.map(tokenizerOf)) {
        const folder = join(root, neighbour, each);
        if (await belongs(kind, folder, name, rows)) return { folder, padToken: published };
      }
    }
  }
  const known = isClip ? ` (CLIP's has ${kind.publishedWords} and needs no files)` : '';
  const needed = isClip ? 'vocab.json and merges.txt' : 'tokenizer.json';
  throw new ModelError(
    `The ${name} is missing: ${basename(file)} has its own vocabulary of ${rows} words, but no tokenizer${known}. Put ${needed} into a folder ${stem}.${name} or ${name} beside it.`,
  );
}

/** Whether the tokenizer in a folder is of the encoder's kind and size. Some embeddings have rows beyond the last word. */
async function belongs(kind: EncoderKind, folder: string, name: TokenizerName, rows: number): Promise<boolean> {
  if (kind.publishedWords !== undefined) return (await vocabularySize(folder).catch(() => undefined)) === rows;
  const highest = await kind.checkTokenizer(folder, name).catch(() => undefined);
  return highest !== undefined && highest < rows && highest >= 0.95 * rows - 128;
}

async function holdsVocabulary(folder: string): Promise<boolean> {
  return (await isFile(join(folder, 'vocab.json'))) || (await isFile(join(folder, 'tokenizer.json')));
}

/** Ids beyond the embedding's rows would end a run in the middle. */
async function fitting(kind: EncoderKind, folder: string, name: TokenizerName, rows: number): Promise<string> {
  const isClip = kind.publishedWords !== undefined;
  const words = isClip ? await vocabularySize(folder) : (await kind.checkTokenizer(folder, name)) + 1;
  if (words <= rows) return folder;
  throw new ModelError(
    `The tokenizer in ${basename(folder)} has ${words} words, but the text encoder knows ${rows}. It belongs to another model.`,
  );
}

async function vocabularySize(folder: string): Promise<number> {
  const vocabulary = await readJson(join(folder, 'vocab.json'), mostTokenizerBytes);
  if (vocabulary) return Object.keys(vocabulary).length;
  const model = (await readJson(join(folder, 'tokenizer.json'), mostTokenizerBytes))?.model;
  if (!isObject(model) || !isObject(model.vocab)) throw new ModelError(`There is no ${basename(folder)}/vocab.json.`);
  return Object.keys(model.vocab).length;
}
