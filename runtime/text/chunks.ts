import type { Fragment } from './promptSyntax.ts';
import type { Tokenizer } from './tokenizer.ts';

/** A word that is not in the vocabulary: it takes the place of `count` tokens, of ids `id`, `id - 1`, … (below 0). */
export interface AddedWord {
  name: string;
  id: number;
  count: number;
}

/** One row of a text encoder. */
export interface Chunk {
  /** As many as the encoder takes: start, at most 75 tokens, end, padding. */
  ids: number[];
  /** For each id, the weight of its fragment; 1 for start, end and padding. */
  weights: number[];
  /** For each id, the index of its fragment in the prompt; -1 for start, end and padding. */
  fragments: number[];
}

/** The row of an empty text. */
export function emptyChunk(tokenizer: Tokenizer): Chunk {
  return makeChunk(tokenizer, []);
}

/**
 * Cuts a prompt into rows, one at least. A row ends with a word where any word ends in it; the vectors of an added word
 * stay together.
 *
 * @param appended Words put after the last fragment, with a weight of 1.
 */
export function cutIntoChunks(
  tokenizer: Tokenizer,
  fragments: readonly Fragment[],
  words: readonly AddedWord[] = [],
  appended: readonly AddedWord[] = [],
): Chunk[] {
  const find = finderOf(words);
  const placed: Placed[] = [];
  for (const [index, { text, weight }] of fragments.entries()) {
    for (const piece of splitAtWords(text, find)) {
      if (typeof piece !== 'string') placed.push(...placeWord(piece, weight, index));
      else
        for (const { id, endsWord } of tokenizer.tokenize(piece))
          placed.push({ id, endsWord, weight, fragment: index });
    }
  }
  for (const word of appended) placed.push(...placeWord(word, 1, fragments.length));

  const room = tokenizer.length - 2;
  const chunks: Chunk[] = [];
  let at = 0;
  do {
    let end = Math.min(at + room, placed.length);
    if (end < placed.length) {
      let whole = end;
      while (whole > at && !placed[whole - 1]!.endsWord) whole--;
      // A word longer than a row is cut.
      if (whole > at) end = whole;
    }
    chunks.push(makeChunk(tokenizer, placed.slice(at, end)));
    at = end;
  } while (at < placed.length);
  return chunks;
}

/** The added words that a prompt names. */
export function namedWords<W extends { name: string }>(fragments: readonly Fragment[], words: readonly W[]): Set<W> {
  const find = finderOf(words);
  const named = new Set<W>();
  for (const { text } of fragments) {
    for (const piece of splitAtWords(text, find)) if (typeof piece !== 'string') named.add(piece);
  }
  return named;
}

interface Placed {
  id: number;
  endsWord: boolean;
  weight: number;
  fragment: number;
}

function placeWord({ id, count }: AddedWord, weight: number, fragment: number): Placed[] {
  return Array.from({ length: count }, (_, k) => ({ id: id - k, endsWord: k === count - 1, weight, fragment }));
}

function makeChunk(tokenizer: Tokenizer, placed: readonly Placed[]): Chunk {
  const { length, start, end, pad } = tokenizer;
  const padding = Math.max(0, length - 2 - placed.length);
  const filled = <T>(value: T) => new Array<T>(padding).fill(value);
  return {
    ids: [start, ...placed.map(({ id }) => id), end, ...filled(pad)],
    weights: [1, ...placed.map(({ weight }) => weight), 1, ...filled(1)],
    fragments: [-1, ...placed.map(({ fragment }) => fragment), -1, ...filled(-1)],
  };
}

interface Finder<W> {
  pattern: RegExp;
  byName: ReadonlyMap<string, W>;
}

/** How added words are found: whole words in any case, in angle brackets or not, the longest that fits. */
function finderOf<W extends { name: string }>(words: readonly W[]): Finder<W> | undefined {
  if (words.length === 0) return undefined;
  const byName = new Map(words.map((word) => [word.name.toLowerCase(), word]));
  const names = [...byName.keys()].sort((a, b) => b.length - a.length);
  const any = names.map((name) => name.replace(/[\\^$.*+?()[\]{}|/]/gu, '\\$&')).join('|');
  // A hyphen between letters or digits belongs to the word: "bad" is no part of "bad-hands".
  const before = '(?<![\\p{L}\\p{N}_]|[\\p{L}\\p{N}]-)';
  const after = '(?![\\p{L}\\p{N}_]|-[\\p{L}\\p{N}])';
  return { pattern: new RegExp(`<(${any})>|${before}(${any})${after}`, 'giu'), byName };
}

function* splitAtWords<W>(text: string, finder: Finder<W> | undefined): Generator<string | W> {
  let at = 0;
  for (const match of finder ? text.matchAll(finder.pattern) : []) {
    const word = finder!.byName.get((match[1] ?? match[2])!.toLowerCase());
    if (word === undefined) continue;
    if (match.index > at) yield text.slice(at, match.index);
    yield word;
    at = match.index + match[0].length;
  }
  if (at < text.length) yield text.slice(at);
}
