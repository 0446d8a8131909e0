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
export declare const MOST_WORDS = 1000000;
/** Ids are read as float32 in some graphs, which is exact up to here. */
export declare const HIGHEST_ID: number;
/** Start, end, and one word between them. */
export declare const LEAST_LENGTH = 3;
/**
 * Reads `vocab.json` and `merges.txt`, or where those are missing the vocabulary of `tokenizer.json`. Texts are always cut by
 * CLIP's own rules, so no regular expression of a file is ever run: one is enough to hang a process. A file with other rules
 * is refused, for its ids would be wrong.
 *
 * @throws {ModelError | Error} a sentence; undefined where the folder holds no vocabulary
 */
export declare function readTokenizerFiles(folder: string): Promise<TokenizerFiles | undefined>;
export declare function stepsOf(value: unknown, inner: string): unknown[];
export declare function patternOf({ pattern }: Record<string, unknown>): string | undefined;
export declare function checkVocabulary(vocab: Record<string, unknown>): Record<string, number>;
export declare function checkMerges(merges: unknown[]): string[][];
export declare function told(value: unknown): string;
