/** The tokenizer of a language model that serves as a text encoder. */
export interface LanguageTokenizer {
  /** The id that fills rows. */
  readonly pad: number;
  /** The largest id there is. */
  readonly highest: number;
  /**
   * The ids of a text, at most `length` of them and none that fill: Qwen's are cut at the end, T5's end with `</s>`, before
   * which they are cut.
   */
  encode(text: string, length: number): number[];
}
/** `qwen`: byte pairs, as in Qwen 2 and 3; `t5`: SentencePiece with scores. */
export type LanguageTokenizerKind = 'qwen' | 't5';
/**
 * Reads the tokenizer in a folder: `tokenizer.json`, or for Qwen also `vocab.json` and `merges.txt`.
 *
 * @throws {ModelError | Error} a sentence, where the files are missing, broken or of another kind
 */
export declare function openLanguageTokenizer(folder: string, kind: LanguageTokenizerKind): Promise<LanguageTokenizer>;
/** A conversation of one message by the user, up to where the model would answer, as Qwen3's chat template writes it. */
export declare function qwenChat(
  prompt: string,
  {
    thinking,
  }: {
    thinking: boolean;
  },
): string;
