import { Tokenizer as TextTokenizer } from '@huggingface/tokenizers';
import { QWEN_PATTERN, readBytePairFiles, readUnigramFiles } from './languageTokenizerFiles.js';
/**
 * Reads the tokenizer in a folder: `tokenizer.json`, or for Qwen also `vocab.json` and `merges.txt`.
 *
 * @throws {ModelError | Error} a sentence, where the files are missing, broken or of another kind
 */
export async function openLanguageTokenizer(folder, kind) {
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
export function qwenChat(prompt, { thinking }) {
  const asked = `<|im_start|>user\n${prompt}<|im_end|>\n<|im_start|>assistant\n`;
  // A thought that is over already: the template's way to say that there is to be none.
  return thinking ? asked : `${asked}<think>\n\n</think>\n\n`;
}
function qwen({ vocab, merges, added, pad = '<|endoftext|>' }) {
  const tokenizer = new TextTokenizer(
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
    pad: idOf(tokenizer, pad),
    highest: highest([...Object.values(vocab), ...added.map(({ id }) => id)]),
    encode: (text, length) => idsOf(tokenizer, text).slice(0, length),
  };
}
function t5({ vocab, unknown, added }) {
  const tokenizer = new TextTokenizer(
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
  const end = idOf(tokenizer, '</s>');
  return {
    pad: idOf(tokenizer, '<pad>'),
    highest: highest([vocab.length - 1, ...added.map(({ id }) => id)]),
    encode: (text, length) => [...idsOf(tokenizer, text).slice(0, length - 1), end],
  };
}
function idsOf(tokenizer, text) {
  return tokenizer.encode(text, { add_special_tokens: false }).ids;
}
function idOf(tokenizer, token) {
  const id = tokenizer.token_to_id(token);
  if (id === undefined) throw new Error(`The vocabulary of the tokenizer lacks its own special token ${token}.`);
  return id;
}
/** A call with 150,000 arguments would be near what the stack holds. */
function highest(ids) {
  return ids.reduce((most, id) => Math.max(most, id), 0);
}
//# sourceMappingURL=languageTokenizer.js.map
