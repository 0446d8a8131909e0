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
export declare function emptyChunk(tokenizer: Tokenizer): Chunk;
/**
 * Cuts a prompt into rows, one at least. A row ends with a word where any word ends in it; the vectors of an added word
 * stay together.
 *
 * @param appended Words put after the last fragment, with a weight of 1.
 */
export declare function cutIntoChunks(
  tokenizer: Tokenizer,
  fragments: readonly Fragment[],
  words?: readonly AddedWord[],
  appended?: readonly AddedWord[],
): Chunk[];
/** The added words that a prompt names. */
export declare function namedWords<
  W extends {
    name: string;
  },
>(fragments: readonly Fragment[], words: readonly W[]): Set<W>;
