import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Tokenizer as BytePairTokenizer } from '@huggingface/tokenizers';

/** CLIP's tokenizer for one text encoder of a model. */
export interface Tokenizer {
  /** Ids of one text, 77 in all published models: start, text, end, padding. */
  readonly length: number;
  /** One row of `length` ids for each text, in order. A text that is too long loses its end. */
  encode(texts: readonly string[]): number[][];
}

/**
 * Reads `vocab.json` and `merges.txt`, or where those are missing `tokenizer.json`, and what the folder says about
 * padding and length.
 *
 * @param folder `tokenizer/` or `tokenizer_2/` of a model.
 * @param maxPositions `max_position_embeddings` of the text encoder; no row is longer.
 * @param padding The token that fills rows; absent: what the folder says, else the end of text.
 * @throws where the files are missing or name no start and end of text.
 */
export async function openTokenizer(folder: string, maxPositions: number, padding?: string): Promise<Tokenizer> {
  const config = await readJson(join(folder, 'tokenizer_config.json'));
  const special = await readJson(join(folder, 'special_tokens_map.json'));
  const named = (key: string) => contentOf(special?.[key]) ?? contentOf(config?.[key]);
  const startToken = named('bos_token') ?? '<|startoftext|>';
  const endToken = named('eos_token') ?? '<|endoftext|>';
  const padToken = padding ?? named('pad_token') ?? endToken;

  const vocab = await readJson(join(folder, 'vocab.json'));
  const merges = await readText(join(folder, 'merges.txt'));
  const description =
    vocab && merges !== undefined
      ? describe(vocab as Record<string, number>, merges, [startToken, endToken], named('unk_token') ?? endToken)
      : await readJson(join(folder, 'tokenizer.json'));
  if (!description) throw new Error('The tokenizer has neither vocab.json and merges.txt nor tokenizer.json.');
  const tokenizer = new BytePairTokenizer(description, {});
  const idOf = (token: string): number => {
    const id = tokenizer.token_to_id(token);
    if (id === undefined) throw new Error(`The vocabulary of the tokenizer lacks its own special token ${token}.`);
    return id;
  };
  const [start, end, pad] = [idOf(startToken), idOf(endToken), idOf(padToken)];

  // Some tokenizers give a length of 1e30 for "none".
  const stated = config?.model_max_length;
  const length = typeof stated === 'number' ? Math.min(stated, maxPositions) : maxPositions;

  return {
    length,
    encode: (texts) =>
      texts.map((text) => {
        const encoded: { ids: number[] } = tokenizer.encode(text, { add_special_tokens: false });
        const ids = encoded.ids.slice(0, length - 2);
        const row = new Array<number>(length).fill(pad);
        row[0] = start;
        ids.forEach((id, index) => {
          row[index + 1] = id;
        });
        row[ids.length + 1] = end;
        return row;
      }),
  };
}

/** What `tokenizer.json` would hold for CLIP, as transformers converts it from the two older files. */
function describe(vocab: Record<string, number>, merges: string, special: string[], unknown: string): object {
  return {
    version: '1.0',
    added_tokens: special
      .filter((content) => vocab[content] !== undefined)
      .map((content) => ({
        id: vocab[content],
        content,
        special: true,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
      })),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'NFC' },
        { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
        { type: 'Lowercase' },
      ],
    },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        {
          type: 'Split',
          // English endings, words, single digits, and runs of anything else that is visible.
          pattern: { Regex: "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+" },
          behavior: 'Removed',
          invert: true,
        },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: null,
    decoder: null,
    model: {
      type: 'BPE',
      unk_token: unknown,
      continuing_subword_prefix: '',
      end_of_word_suffix: '</w>',
      fuse_unk: false,
      vocab,
      merges: merges
        .split(/\r?\n/)
        .filter((line) => line !== '' && !line.startsWith('#version'))
        .map((line) => line.split(' ')),
    },
  };
}

/** Special tokens are written as a string or as `{ content, … }`. */
function contentOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  const content = (value as { content?: unknown } | null | undefined)?.content;
  return typeof content === 'string' ? content : undefined;
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function readJson(file: string): Promise<Record<string, unknown> | undefined> {
  const text = await readText(file);
  return text === undefined ? undefined : JSON.parse(text);
}
