/** CLIP's tokenizer for one text encoder of a model. */
export interface Tokenizer {
  /** Ids the text encoder takes at once, 77 in all published models: start, text, end, padding. */
  readonly length: number;
  readonly start: number;
  readonly end: number;
  readonly pad: number;
  /** The tokens of a text of any length, without start, end and padding. */
  tokenize(text: string): Token[];
}
export interface Token {
  id: number;
  /** Whether a word, a number's digit or a run of signs ends here, so that a row may. */
  endsWord: boolean;
}
/**
 * Reads `vocab.json` and `merges.txt`, or where those are missing `tokenizer.json`, and what the folder says about
 * padding and length.
 *
 * @param folder `tokenizer/` or `tokenizer_2/` of a model; undefined: CLIP's published vocabulary.
 * @param maxPositions `max_position_embeddings` of the text encoder; no row is longer.
 * @param padding The token that fills rows; absent: what the folder says, else the end of text.
 * @throws where the files are missing or name no start and end of text.
 */
export declare function openTokenizer(
  folder: string | undefined,
  maxPositions: number,
  padding?: string,
): Promise<Tokenizer>;
