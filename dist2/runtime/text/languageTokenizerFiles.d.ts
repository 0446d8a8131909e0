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
export declare const QWEN_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
/**
 * Reads Qwen's `tokenizer.json`, or where that is missing `vocab.json` and `merges.txt` with the added tokens that
 * `tokenizer_config.json` or `added_tokens.json` name. As for CLIP, no regular expression of a file is ever run: a file with
 * other rules than Qwen's is refused.
 *
 * @throws {ModelError | Error} a sentence; undefined where the folder holds no vocabulary
 */
export declare function readBytePairFiles(folder: string): Promise<BytePairFiles | undefined>;
/**
 * Reads T5's `tokenizer.json`.
 *
 * @throws {ModelError | Error} a sentence; undefined where the file is missing
 */
export declare function readUnigramFiles(folder: string): Promise<UnigramFiles | undefined>;
