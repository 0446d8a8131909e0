import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Cache } from '../../runtime/cache.ts';
import { Graph } from '../../runtime/onnx/graph.ts';
import { int64s } from '../../runtime/tensors/tensor.ts';
import { cutIntoChunks } from '../../runtime/text/chunks.ts';
import { applyFinalNorm, type ClipForm, encodeClip } from '../../runtime/text/clip.ts';
import { openTokenizer, type Tokenizer } from '../../runtime/text/tokenizer.ts';
import { modelFolder, modelsFolder, readGoldens, relativeError, tinyModels } from '../helpers/goldens.ts';
import { cpu } from '../helpers/graphs.ts';
import { openComponent } from '../helpers/openComponent.ts';
import { answer } from '../helpers/parts.ts';

/** The rows of one text. */
const rowsOf = (tokenizer: Tokenizer, text: string) =>
  cutIntoChunks(tokenizer, [{ text, weight: 1 }]).map(({ ids }) => ids);

async function encode(graph: Graph, ids: readonly number[], form: ClipForm) {
  const [output] = await answer(encodeClip(graph, [{ input_ids: int64s(ids, [1, ids.length]) }], form));
  return output!;
}

describe.each(tinyModels)('the tokenizer of %s', (model) => {
  const goldens = readGoldens(model);

  test('gives the ids of transformers, padding and batch order included', async () => {
    const tokenizer = await openTokenizer(join(modelFolder(model), 'tokenizer'), 77);
    const rows = goldens.textEncoder.prompts.map((prompt) => rowsOf(tokenizer, prompt));
    // transformers cuts what this lays into further rows.
    expect(rows.map(([first]) => first)).toEqual(goldens.textEncoder.ids);
  });

  // Only models of the XL family have a second tokenizer.
  test.runIf(goldens.textEncoder2)("pads with the second tokenizer's own token", async () => {
    const tokenizer = await openTokenizer(join(modelFolder(model), 'tokenizer_2'), 77);
    const rows = goldens.textEncoder2!.prompts.map((prompt) => rowsOf(tokenizer, prompt));
    expect(rows.map(([first]) => first)).toEqual(goldens.textEncoder2!.ids);
  });
});

describe("CLIP's published vocabulary", () => {
  const { cases } = JSON.parse(readFileSync(join(modelsFolder, 'clip-tokens.json'), 'utf8')) as {
    cases: { text: string; ids: number[] }[];
  };

  test.each(cases)('gives the ids of transformers: $text', async ({ text, ids }) => {
    const [first] = rowsOf(await openTokenizer(undefined, 77), text);
    // transformers cuts what this lays into further rows.
    expect(first).toEqual(ids);
  });
});

describe('the tokenizer', () => {
  const folder = join(modelFolder('tiny-sd15'), 'tokenizer');

  test('makes no row longer than the text encoder has positions', async () => {
    const tokenizer = await openTokenizer(folder, 16);
    expect(tokenizer.length).toBe(16);
    const rows = ['', 'a b c d e f g h i j k l m n o p q'].flatMap((text) => rowsOf(tokenizer, text));
    expect(rows.map((row) => row.length)).toEqual([16, 16, 16]);
  });

  test('reads tokenizer.json where the two older files are missing', async () => {
    const own = await mkdtemp(join(tmpdir(), 'latentwire-tokenizer-'));
    try {
      const vocab = JSON.parse(await readFile(join(folder, 'vocab.json'), 'utf8'));
      await writeFile(
        join(own, 'tokenizer.json'),
        JSON.stringify({
          added_tokens: [{ id: 999, content: '<|endoftext|>', special: true }],
          normalizer: {
            type: 'Sequence',
            normalizers: [
              { type: 'NFC' },
              { type: 'Replace', pattern: { Regex: '\\s+' }, content: ' ' },
              { type: 'Lowercase' },
            ],
          },
          pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false },
          post_processor: null,
          decoder: null,
          model: { type: 'BPE', unk_token: '<|endoftext|>', end_of_word_suffix: '</w>', vocab, merges: [] },
        }),
      );
      const tokenizer = await openTokenizer(own, 8);
      expect(rowsOf(tokenizer, 'A b')).toEqual([[998, vocab['a</w>'], vocab['b</w>'], 999, 999, 999, 999, 999]]);
    } finally {
      await rm(own, { recursive: true });
    }
  });

  test('says what is missing in a folder without a vocabulary', async () => {
    await expect(openTokenizer(modelFolder('tiny-sd15'), 77)).rejects.toThrow('neither vocab.json and merges.txt');
  });
});

describe.each(tinyModels)('the text encoder of %s', (model) => {
  const { textEncoder } = readGoldens(model);
  const [ids] = textEncoder.ids;

  test('gives the last state, the one before, and with the final norm the one of clip skip 1', async () => {
    const graph = await openComponent(modelFolder(model), 'text_encoder', cpu);
    try {
      for (const [form, expected] of [
        [{ skip: 0, norm: true }, textEncoder.lastHiddenStateOfFirstPrompt],
        [{ skip: 1, norm: false }, textEncoder.penultimateOfFirstPrompt],
        [{ skip: 1, norm: true }, textEncoder.clipSkip1OfFirstPrompt],
      ] as const) {
        const { states } = await encode(graph, ids!, form);
        expect([states.length, states.width]).toEqual(expected.shape);
        expect(relativeError(states.data, expected.data)).toBeLessThan(1e-3);
      }
    } finally {
      await graph.close();
    }
  });

  test('finds the final norm from its effect where a graph gives no normalized states', async () => {
    const graph = await openComponent(modelFolder(model), 'text_encoder', cpu);
    try {
      const raw = await encode(graph, ids!, { skip: 1, norm: false });
      const before = await encode(graph, ids!, { skip: 0, norm: false });
      const after = await encode(graph, ids!, { skip: 0, norm: true });
      const found = applyFinalNorm(raw.states.data, before.states.data, after.states.data, raw.states.width);
      expect(relativeError(found, textEncoder.clipSkip1OfFirstPrompt.data)).toBeLessThan(1e-3);
    } finally {
      await graph.close();
    }
  });

  test('refuses to skip more layers than there are', async () => {
    const graph = await openComponent(modelFolder(model), 'text_encoder', cpu);
    try {
      await expect(encode(graph, ids!, { skip: 40, norm: true })).rejects.toMatchObject({
        code: 'invalidParameter',
        parameter: 'clipSkip',
      });
    } finally {
      await graph.close();
    }
  });
});

test('says that layers cannot be skipped where a graph gives no hidden states', async () => {
  const graph = Object.assign(Object.create(Graph.prototype), { inputs: [], outputs: [] });
  await expect(encode(graph, [1, 2], { skip: 1, norm: true })).rejects.toMatchObject({
    code: 'unsupportedParameter',
    parameter: 'clipSkip',
  });
});

test('the cache keeps what was used last and makes nothing twice', async () => {
  const made: string[] = [];
  const cache = new Cache<string>(2);
  for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) {
    if (cache.get(key) !== undefined) continue;
    made.push(key);
    cache.set(key, key);
  }
  expect(made).toEqual(['a', 'b', 'c', 'b']);
});
