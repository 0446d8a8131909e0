import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLanguageTokenizer, qwenChat } from '../../runtime/text/languageTokenizer.ts';
import { modelsFolder } from '../helpers/goldens.ts';
import { folderOf, readTransformerGoldens } from '../helpers/transformerGoldens.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tokenizer-'));
});
afterAll(() => rm(folder, { recursive: true }));

describe.each([
  ['tiny-z-image', true],
  ['tiny-flux2-klein', false],
  ['tiny-flux2-klein-base', false],
] as const)('the tokenizer of %s', (model, thinking) => {
  const { tokenizer } = readTransformerGoldens(model as 'tiny-z-image');

  /** A copy of the folder without some files. */
  async function without(...files: string[]): Promise<string> {
    const copy = await mkdtemp(join(folder, 'copy-'));
    await cp(folderOf(model, 'tokenizer'), copy, { recursive: true });
    for (const file of files) await rm(join(copy, file));
    return copy;
  }

  test.each([
    ['tokenizer.json', ['vocab.json', 'merges.txt']],
    ['vocab.json and merges.txt', ['tokenizer.json']],
  ])('gives the ids that transformers gave, from %s', async (_name, missing) => {
    const opened = await openLanguageTokenizer(await without(...missing), 'qwen');
    expect(opened.pad).toBe(tokenizer.padId);
    expect(opened.highest).toBe(Math.max(...Object.values(tokenizer.addedTokens)));
    for (const { prompt, text, ids } of tokenizer.cases) {
      const chat = qwenChat(prompt, { thinking });
      // The recorded text of the prompt that is cut only says that the template is around it.
      if (!text.startsWith('(')) expect(chat).toBe(text);
      expect(opened.encode(chat, tokenizer.maxLength)).toEqual(ids);
    }
    expect(tokenizer.cases.some(({ ids }) => ids.length === tokenizer.maxLength)).toBe(true);
    expect(tokenizer.cases.some(({ prompt }) => prompt.includes('<think>'))).toBe(true);
  });
});

test('decomposed accents are composed before a text is cut', async () => {
  const { encode } = await openLanguageTokenizer(folderOf('tiny-z-image', 'tokenizer'), 'qwen');
  expect(encode('cafe\u0301', 9)).toEqual(encode('café', 9));
});

describe("T5's tokenizer", () => {
  test('gives the ids that transformers gave, cut before the end of the text', async () => {
    const bytes = await readFile(join(modelsFolder, 't5-tokens.json.gz'));
    const { cases, description } = JSON.parse(gunzipSync(bytes).toString('utf8')) as {
      cases: { text: string; length: number; ids: number[] }[];
      description: unknown;
    };
    const own = await mkdtemp(join(folder, 't5-'));
    await writeFile(join(own, 'tokenizer.json'), JSON.stringify(description));
    const { encode, pad } = await openLanguageTokenizer(own, 't5');
    for (const { text, length, ids } of cases) {
      const found = encode(text, length);
      expect([...found, ...new Array<number>(length - found.length).fill(pad)], text.slice(0, 60)).toEqual(ids);
      expect(found.at(-1)).toBe(1);
    }
  });
});

describe('files that are no tokenizer of the kind asked for', () => {
  const vocab = { a: 0, b: 1 };
  test.each([
    ['a missing one', 'qwen', undefined, 'neither tokenizer.json nor vocab.json and merges.txt'],
    ['a missing T5', 't5', undefined, 'no tokenizer.json'],
    ['pieces with scores', 'qwen', { model: { type: 'Unigram', vocab: [['a', 0]] } }, 'no byte pair vocabulary'],
    ['byte pairs', 't5', { model: { type: 'BPE', vocab, merges: [] } }, 'no pieces with scores'],
    ['ends of words', 'qwen', { model: { type: 'BPE', vocab, merges: [], end_of_word_suffix: '</w>' } }, 'CLIP'],
    [
      'a regular expression of its own',
      'qwen',
      {
        pre_tokenizer: { type: 'Split', pattern: { Regex: '(a+)+$' }, behavior: 'Isolated' },
        model: { type: 'BPE', vocab, merges: [] },
      },
      "a rule that is not Qwen's",
    ],
    ['merges of three', 'qwen', { model: { type: 'BPE', vocab, merges: ['a b c'] } }, 'not a pair of tokens'],
    ['a piece without a score', 't5', { model: { type: 'Unigram', unk_id: 0, vocab: [['a'], ['b'], ['c']] } }, 'score'],
    [
      'an added token without an id',
      'qwen',
      { added_tokens: [{ content: '<x>' }], model: { type: 'BPE', vocab, merges: [] } },
      'not a text with its id',
    ],
    [
      'no token that fills rows',
      'qwen',
      { model: { type: 'BPE', vocab, merges: [] } },
      'lacks its special token <|endoftext|>',
    ],
  ] as const)('%s is refused', async (_name, kind, description, reason) => {
    const own = await mkdtemp(join(folder, 'odd-'));
    if (description) await writeFile(join(own, 'tokenizer.json'), JSON.stringify(description));
    await expect(openLanguageTokenizer(own, kind)).rejects.toThrow(reason);
  });
});
