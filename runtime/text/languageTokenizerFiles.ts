import { join } from 'node:path';
import { isObject, mostTokenizerBytes, readJson, readText } from '../files/reading.ts';
import {
  checkMerges,
  checkVocabulary,
  HIGHEST_ID,
  MOST_WORDS,
  patternOf,
  stepsOf,
  told,
} from '../files/tokenizerFiles.ts';

/** A token that is read as a whole wherever it stands in a text. */
export interface AddedToken {
  id: number;
  content: string;
  single_word: boolean;
  /** Takes the white space before it, or after it, as its own. */
  lstrip: boolean;
  rstrip: boolean;
  normalized: boolean;
  special: boolean;
}

/** The byte pairs of a language model. */
export interface BytePairFiles {
  vocab: Record<string, number>;
  /** Pairs of tokens that become one, the first of all first. */
  merges: string[][];
  added: AddedToken[];
  /** Content of the token that fills rows. */
  pad: string | undefined;
}

/** The pieces of a SentencePiece model with one probability each. */
export interface UnigramFiles {
  /** Pieces with the logarithms of their probabilities; a piece's place is its id. */
  vocab: [piece: string, score: number][];
  unknown: number;
  added: AddedToken[];
}

/** How Qwen's files cut a text before byte pairs are joined. */
export const QWEN_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/**
 * Reads Qwen's `tokenizer.json`, or where that is missing `vocab.json` and `merges.txt` with the added tokens that
 * `tokenizer_config.json` or `added_tokens.json` name. As for CLIP, no regular expression of a file is ever run: a file with
 * other rules than Qwen's is refused.
 *
 * @throws {ModelError | Error} a sentence; undefined where the folder holds no vocabulary
 */
export async function readBytePairFiles(folder: string): Promise<BytePairFiles | undefined> {
  const read = (name: string) => readJson(join(folder, name), mostTokenizerBytes);
  const config = await read('tokenizer_config.json');
  const pad = contentOf(config?.pad_token) ?? contentOf((await read('special_tokens_map.json'))?.pad_token);
  const description = await read('tokenizer.json');
  if (description) {
    const { model } = description;
    if (!isObject(model) || (model.type ?? 'BPE') !== 'BPE' || !isObject(model.vocab) || !Array.isArray(model.merges)) {
      throw new Error('tokenizer.json has no byte pair vocabulary, as Qwen has.');
    }
    if (model.end_of_word_suffix)
      throw new Error('tokenizer.json marks the ends of words, which Qwen does not. It may be that of CLIP.');
    checkRules(description);
    const merges = model.merges.map((pair: unknown) => (typeof pair === 'string' ? pair.split(' ') : pair));
    const added = addedTokens(description.added_tokens ?? []);
    return { vocab: checkVocabulary(model.vocab), merges: checkMerges(merges), added, pad };
  }
  const vocab = await read('vocab.json');
  const lines = await readText(join(folder, 'merges.txt'), mostTokenizerBytes);
  if (vocab === undefined || lines === undefined) return undefined;
  const merges = lines
    .split(/\r?\n/)
    .filter((line, index) => line !== '' && !(index === 0 && line.startsWith('#version')))
    .map((line) => line.split(' '));
  const decoder = isObject(config?.added_tokens_decoder) ? config.added_tokens_decoder : undefined;
  const listed = decoder
    ? Object.entries(decoder).map(([id, token]) => ({ ...(isObject(token) ? token : {}), id: Number(id) }))
    : Object.entries((await read('added_tokens.json')) ?? {}).map(([content, id]) => ({ content, id }));
  return { vocab: checkVocabulary(vocab), merges: checkMerges(merges), added: addedTokens(listed), pad };
}

/**
 * Reads T5's `tokenizer.json`.
 *
 * @throws {ModelError | Error} a sentence; undefined where the file is missing
 */
export async function readUnigramFiles(folder: string): Promise<UnigramFiles | undefined> {
  const description = await readJson(join(folder, 'tokenizer.json'), mostTokenizerBytes);
  if (!description) return undefined;
  const { model } = description;
  if (!isObject(model) || !Array.isArray(model.vocab) || (model.type ?? 'Unigram') !== 'Unigram') {
    throw new Error('tokenizer.json has no pieces with scores (Unigram), as T5 has.');
  }
  const { vocab, unk_id: unknown } = model;
  if (vocab.length < 3 || vocab.length > MOST_WORDS) {
    throw new Error(`The vocabulary has ${vocab.length} pieces; it must have from 3 to ${MOST_WORDS}.`);
  }
  for (const pair of vocab) {
    const [piece, score] = Array.isArray(pair) && pair.length === 2 ? (pair as unknown[]) : [];
    if (typeof piece === 'string' && typeof score === 'number' && Number.isFinite(score)) continue;
    throw new Error(`One of the pieces is ${told(pair)}, which is not a text with its score.`);
  }
  if (!Number.isInteger(unknown) || (unknown as number) < 0 || (unknown as number) >= vocab.length) {
    throw new Error(`tokenizer.json says unk_id: ${told(unknown)}, which is not the index of a piece.`);
  }
  return {
    vocab: vocab as UnigramFiles['vocab'],
    unknown: unknown as number,
    added: addedTokens(description.added_tokens ?? []),
  };
}

/** @throws where the steps before the byte pairs are not Qwen's */
function checkRules({ normalizer, pre_tokenizer: splitter }: Record<string, unknown>): void {
  const isKnown = (step: unknown) => {
    if (!isObject(step)) return false;
    if (step.type === 'Split') return patternOf(step) === QWEN_PATTERN && step.invert !== true;
    return step.type === 'NFC' || (step.type === 'ByteLevel' && step.use_regex !== true);
  };
  const steps = [...stepsOf(normalizer, 'normalizers'), ...stepsOf(splitter, 'pretokenizers')];
  const odd = steps.find((step) => !isKnown(step));
  if (odd === undefined) return;
  throw new Error(
    `tokenizer.json has a rule that is not Qwen's (${told(odd)}), so its tokens would differ. Remove the file, and add vocab.json and merges.txt.`,
  );
}

function addedTokens(listed: unknown): AddedToken[] {
  if (!Array.isArray(listed)) throw new Error(`The added tokens are ${told(listed)}, which is not a list.`);
  if (listed.length > MOST_WORDS)
    throw new Error(`There are ${listed.length} added tokens; at most ${MOST_WORDS} are read.`);
  return listed.map((token: unknown) => {
    const { content, id, ...rest } = isObject(token) ? token : {};
    const isId = Number.isInteger(id) && (id as number) >= 0 && (id as number) < HIGHEST_ID;
    if (typeof content !== 'string' || content === '' || !isId) {
      throw new Error(`One of the added tokens is ${told(token)}, which is not a text with its id.`);
    }
    return {
      id: id as number,
      content,
      single_word: rest.single_word === true,
      lstrip: rest.lstrip === true,
      rstrip: rest.rstrip === true,
      normalized: rest.normalized === true,
      special: rest.special === true,
    };
  });
}

/** Special tokens are written as a string or as `{ content, … }`. */
function contentOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return isObject(value) && typeof value.content === 'string' ? value.content : undefined;
}
