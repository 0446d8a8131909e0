import { readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { isFile, isObject, ModelError, mostTokenizerBytes, readJson } from '../files/reading.js';
/**
 * Finds the tokenizer of a single file, which holds none. For `models/dream.safetensors`, in this order:
 *
 * 1. the folder that `dream.safetensors.json` names under `tokenizer`;
 * 2. `models/dream.tokenizer/`, the file's own, with `vocab.json` and `merges.txt` or `tokenizer.json`;
 * 3. `models/tokenizer/`, shared by all files beside it;
 * 4. a published vocabulary that comes with the program (CLIP's), where the token embedding has a row for each of its words;
 * 5. the tokenizer of any diffusers folder in `models/` whose vocabulary has as many words as the embedding has rows.
 *
 * For `tokenizer_2` folders of that name come first, then those of `tokenizer`: two CLIP encoders read the same
 * vocabulary, and differ in the padding alone. Only a folder of 1. and 2. is asked how it pads; otherwise the family
 * decides, as SD 1 pads with the end of text and SD 2 and XL's second encoder with `!`.
 *
 * @throws {ModelError} saying what to provide where
 */
export async function findTokenizer(file, name, { settings, kind, rows, padToken: published }) {
  const models = dirname(file);
  const stem = basename(file).replace(/\.safetensors$/i, '');
  const names = name === 'tokenizer' ? ['tokenizer'] : [name, 'tokenizer'];
  for (const each of names) {
    const given = settings.tokenizerPaths?.[each];
    const own = given === undefined ? join(models, `${stem}.${each}`) : resolve(models, given);
    const padToken = each === name ? undefined : published;
    if (given !== undefined || (await holdsVocabulary(own))) return { folder: await fitting(own, rows), padToken };
  }
  for (const each of names) {
    const shared = join(models, each);
    if (await holdsVocabulary(shared)) return { folder: await fitting(shared, rows), padToken: published };
  }
  if (kind.publishedWords !== undefined && rows >= kind.publishedWords)
    return { folder: undefined, padToken: published };
  const neighbours = await readdir(models).catch(() => []);
  for (const neighbour of neighbours.sort()) {
    if (!(await isFile(join(models, neighbour, 'model_index.json')))) continue;
    const folder = join(models, neighbour, 'tokenizer');
    const words = await vocabularySize(folder).catch(() => undefined);
    if (words === rows) return { folder, padToken: published };
  }
  const known = kind.publishedWords === undefined ? '' : ` (CLIP's has ${kind.publishedWords} and needs no files)`;
  throw new ModelError(
    `The ${name} is missing: ${basename(file)} has a vocabulary of its own, of ${rows} words, and does not hold it${known}. Put its vocab.json and merges.txt into a folder ${stem}.tokenizer or tokenizer beside it.`,
  );
}
async function holdsVocabulary(folder) {
  return (await isFile(join(folder, 'vocab.json'))) || (await isFile(join(folder, 'tokenizer.json')));
}
/** Ids beyond the embedding's rows would end a run in the middle. */
async function fitting(folder, rows) {
  const words = await vocabularySize(folder);
  if (words <= rows) return folder;
  throw new ModelError(
    `The tokenizer in ${basename(folder)} has ${words} words, but the text encoder knows ${rows}: it belongs to another model.`,
  );
}
async function vocabularySize(folder) {
  const vocabulary = await readJson(join(folder, 'vocab.json'), mostTokenizerBytes);
  if (vocabulary) return Object.keys(vocabulary).length;
  const model = (await readJson(join(folder, 'tokenizer.json'), mostTokenizerBytes))?.model;
  if (!isObject(model) || !isObject(model.vocab)) throw new ModelError(`There is no ${basename(folder)}/vocab.json.`);
  return Object.keys(model.vocab).length;
}
//# sourceMappingURL=findTokenizer.js.map
