import { Tokenizer as TextTokenizer } from '@huggingface/tokenizers';
import {
  type AddedToken,
  type BytePairFiles,
  QWEN_PATTERN,
  readBytePairFiles,
  readUnigramFiles,
  type UnigramFiles,
} from './languageTokenizerFiles.ts';

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
export async function openLanguageTokenizer(folder: string, kind: LanguageTokenizerKind): Promise<LanguageTokenizer> {
  if (kind === 'qwen') {
    const files = await readBytePairFiles(folder);
    if (!files) throw new Error('The tokenizer has neither tokenizer.json nor vocab.json and merges.txt.');
    return qwen(files);
  }
  const files = await readUnigramFiles(folder);
  if (!files) throw new Error('The tokenizer has no tokenizer.json.');
  return t5(files);
}

/** A conversation of one message by the user, up to where the model would answer, as Qwen3's chat template writes it. */
export function qwenChat(prompt: string, { thinking }: { thinking: boolean }): string {
  const asked = `<|im_start|>user\n${prompt}<|im_end|>\n<|im_start|>assistant\n`;
  // A thought that is over already: the template's way to say that there is to be none.
  return thinking ? asked : `${asked}<think>\n\n</think>\n\n`;
}

function qwen({ vocab, merges, added, pad = '<|endoftext|>' }: BytePairFiles): LanguageTokenizer {
  const tokenizer = onFirstUse(
    {
      version: '1.0',
      added_tokens: added,
      normalizer: { type: 'NFC' },
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { type: 'Split', pattern: { Regex: QWEN_PATTERN }, behavior: 'Isolated', invert: false },
          { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
        ],
      },
      post_processor: null,
      decoder: null,
      model: {
        type: 'BPE',
        unk_token: null,
        continuing_subword_prefix: '',
        end_of_word_suffix: '',
        fuse_unk: false,
        byte_fallback: false,
        vocab,
        merges,
      },
    },
    {},
  );
  return {
    pad: idOf(pad, added, (token) => vocab[token]),
    highest: highest([...Object.values(vocab), ...added.map(({ id }) => id)]),
    encode: (text, length) => idsOf(tokenizer(), text).slice(0, length),
  };
}

function t5({ vocab, unknown, added }: UnigramFiles): LanguageTokenizer {
  const tokenizer = onFirstUse(
    {
      version: '1.0',
      added_tokens: added,
      normalizer: {
        type: 'Sequence',
        normalizers: [
          // NFKC and the like, as the character map of every published T5 has it.
          { type: 'Precompiled', precompiled_charsmap: null },
          { type: 'Strip', strip_left: false, strip_right: true },
          { type: 'Replace', pattern: { Regex: ' {2,}' }, content: '▁' },
        ],
      },
      pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
      post_processor: null,
      decoder: null,
      model: { type: 'Unigram', unk_id: unknown, vocab, byte_fallback: false },
    },
    { eos_token: '</s>' },
  );
  const placeOf = (token: string) => {
    const place = vocab.findIndex(([piece]) => piece === token);
    return place < 0 ? undefined : place;
  };
  const end = idOf('</s>', added, placeOf);
  return {
    pad: idOf('<pad>', added, placeOf),
    highest: highest([vocab.length - 1, ...added.map(({ id }) => id)]),
    encode: (text, length) => [...idsOf(tokenizer(), text).slice(0, length - 1), end],
  };
}

function idsOf(tokenizer: TextTokenizer, text: string): number[] {
  return tokenizer.encode(text, { add_special_tokens: false }).ids;
}

function idOf(
  token: string,
  added: readonly AddedToken[],
  inVocabulary: (token: string) => number | undefined,
): number {
  const id = added.find(({ content }) => content === token)?.id ?? inVocabulary(token);
  if (id === undefined) throw new Error(`The vocabulary of the tokenizer lacks its special token ${token}.`);
  return id;
}

/** What only looks at models needs no tokenizer, and one with 150,000 words takes half a second to make. */
function onFirstUse(description: object, config: object): () => TextTokenizer {
  let made: TextTokenizer | undefined;
  return () => {
    made ??= new TextTokenizer(description, config);
    return made;
  };
}

/** A call with 150,000 arguments would be near what the stack holds. */
function highest(ids: readonly number[]): number {
  return ids.reduce((most, id) => Math.max(most, id), 0);
}
