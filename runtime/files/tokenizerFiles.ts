import { join } from 'node:path';
import { isObject, mostTokenizerBytes, readJson, readText } from './reading.ts';

/** What the files of a tokenizer say, checked. */
export interface TokenizerFiles {
  /** `tokenizer_config.json`. */
  config?: Record<string, unknown> | undefined;
  /** `special_tokens_map.json`. */
  special?: Record<string, unknown> | undefined;
  vocab: Record<string, number>;
  /** Pairs of tokens that become one, the first of all first. */
  merges: string[][];
  /** Words of the vocabulary that are read as a whole wherever they stand. */
  added: string[];
}

/** Of a vocabulary and of its merges; CLIP's has 49,408. */
export const MOST_WORDS = 1_000_000;
/** Ids are read as float32 in some graphs, which is exact up to here. */
export const HIGHEST_ID = 2 ** 24;
/** Start, end, and one word between them. */
export const LEAST_LENGTH = 3;

/**
 * Reads `vocab.json` and `merges.txt`, or where those are missing the vocabulary of `tokenizer.json`. Texts are always cut by
 * CLIP's own rules, so no regular expression of a file is ever run: one is enough to hang a process. A file with other rules
 * is refused, for its ids would be wrong.
 *
 * @throws {ModelError | Error} a sentence; undefined where the folder holds no vocabulary
 */
export async function readTokenizerFiles(folder: string): Promise<TokenizerFiles | undefined> {
  const read = (name: string) => readJson(join(folder, name), mostTokenizerBytes);
  const [config, special] = [await read('tokenizer_config.json'), await read('special_tokens_map.json')];
  checkLength(config?.model_max_length);
  const vocab = await read('vocab.json');
  const lines = await readText(join(folder, 'merges.txt'), mostTokenizerBytes);
  if (vocab !== undefined && lines !== undefined) {
    const merges = lines
      .split(/\r?\n/)
      .filter((line) => line !== '' && !line.startsWith('#version'))
      .map((line) => line.split(' '));
    return { config, special, vocab: checkVocabulary(vocab), merges: checkMerges(merges), added: [] };
  }
  const description = await read('tokenizer.json');
  return description && { config, special, ...ofDescription(description) };
}

function checkLength(stated: unknown): void {
  // Some say 1e30 for "none".
  if (stated === undefined || stated === null || (typeof stated === 'number' && stated >= LEAST_LENGTH)) return;
  throw new Error(
    `tokenizer_config.json says model_max_length: ${told(stated)}; it must be a number from ${LEAST_LENGTH}.`,
  );
}

/** The vocabulary of `tokenizer.json`, whose rules must be CLIP's. */
function ofDescription(description: Record<string, unknown>): Omit<TokenizerFiles, 'config' | 'special'> {
  const { model, normalizer, pre_tokenizer: splitter, added_tokens: added = [] } = description;
  if (!isObject(model) || !isObject(model.vocab) || !Array.isArray(model.merges)) {
    throw new Error('tokenizer.json has no byte pair vocabulary, as CLIP has.');
  }
  if ((model.type ?? 'BPE') !== 'BPE' || model.end_of_word_suffix !== '</w>') {
    throw new Error('tokenizer.json does not have the form of CLIP: byte pairs whose words end in "</w>".');
  }
  for (const [part, steps] of [
    ['normalizer', stepsOf(normalizer, 'normalizers')],
    ['pre_tokenizer', stepsOf(splitter, 'pretokenizers')],
  ] as const) {
    const odd = steps.find((step) => !isKnown(step));
    if (odd === undefined) continue;
    throw new Error(
      `tokenizer.json has a ${part} that is not CLIP's (${told(odd)}), so its tokens would differ. Remove those rules, or add vocab.json and merges.txt.`,
    );
  }
  const merges = model.merges.map((pair: unknown) => (typeof pair === 'string' ? pair.split(' ') : pair));
  const vocab: Record<string, unknown> = { ...model.vocab };
  for (const token of Array.isArray(added) ? added : []) {
    if (isObject(token) && typeof token.content === 'string' && token.content !== '') vocab[token.content] = token.id;
    else throw new Error(`tokenizer.json adds an invalid token: ${told(token)}.`);
  }
  const names = (added as { content: string }[]).map(({ content }) => content);
  return { vocab: checkVocabulary(vocab), merges: checkMerges(merges), added: names };
}

export function stepsOf(value: unknown, inner: string): unknown[] {
  if (value === null || value === undefined) return [];
  if (!isObject(value) || value.type !== 'Sequence') return [value];
  const steps = value[inner];
  return Array.isArray(steps) ? steps : [steps];
}

const words = "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+";
/** How releases of transformers write CLIP's rules. */
const splits = [words, `<\\|startoftext\\|>|<\\|endoftext\\|>|${words}`];

function isKnown(step: unknown): boolean {
  if (!isObject(step)) return false;
  switch (step.type) {
    case 'NFC':
    case 'Lowercase':
    case 'ByteLevel':
      return true;
    case 'Replace':
      return patternOf(step) === '\\s+' && step.content === ' ';
    case 'Split':
      return splits.includes(patternOf(step) ?? '') && step.invert === true;
    default:
      return false;
  }
}

export function patternOf({ pattern }: Record<string, unknown>): string | undefined {
  return isObject(pattern) && typeof pattern.Regex === 'string' ? pattern.Regex : undefined;
}

export function checkVocabulary(vocab: Record<string, unknown>): Record<string, number> {
  const entries = Object.entries(vocab);
  if (entries.length === 0 || entries.length > MOST_WORDS) {
    throw new Error(`The vocabulary has ${entries.length} words; it must have from 1 to ${MOST_WORDS}.`);
  }
  for (const [word, id] of entries) {
    if (Number.isInteger(id) && (id as number) >= 0 && (id as number) < HIGHEST_ID) continue;
    throw new Error(`The vocabulary gives ${told(word)} the id ${told(id)}, which is not a whole number from 0.`);
  }
  return vocab as Record<string, number>;
}

export function checkMerges(merges: unknown[]): string[][] {
  if (merges.length > MOST_WORDS) throw new Error(`There are ${merges.length} merges; at most ${MOST_WORDS} are read.`);
  for (const pair of merges) {
    if (Array.isArray(pair) && pair.length === 2 && pair.every((half) => typeof half === 'string')) continue;
    throw new Error(`One of the merges is ${told(pair)}, which is not a pair of tokens.`);
  }
  return merges as string[][];
}

export function told(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
