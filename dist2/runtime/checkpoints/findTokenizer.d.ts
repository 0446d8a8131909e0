import type { EncoderKind, ModelSettings, TokenizerName, TokenizerSource } from '../families/family.ts';
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
export declare function findTokenizer(
  file: string,
  name: TokenizerName,
  {
    settings,
    kind,
    rows,
    padToken: published,
  }: {
    settings: ModelSettings;
    kind: EncoderKind;
    rows: number;
    padToken: string | undefined;
  },
): Promise<TokenizerSource>;
