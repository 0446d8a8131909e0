import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openComponent } from '../../runtime/checkpoints/openComponent.ts';
import { Graph } from '../../runtime/onnx/graph.ts';
import { Cache } from '../../runtime/text/cache.ts';
import { applyFinalNorm, encodeClip } from '../../runtime/text/clip.ts';
import { openTokenizer } from '../../runtime/text/tokenizer.ts';
import { modelFolder, readGoldens, relativeError, tinyModels } from '../helpers/goldens.ts';

describe.each(tinyModels)('the tokenizer of %s', (model) => {
  const goldens = readGoldens(model);

  test('gives the ids of transformers, padding and batch order included', async () => {
    const tokenizer = await openTokenizer(join(modelFolder(model), 'tokenizer'), 77);
    expect(tokenizer.encode(goldens.textEncoder.prompts)).toEqual(goldens.textEncoder.ids);
  });

  // Only models of the XL family have a second tokenizer.
  test.runIf(goldens.textEncoder2)("pads with the second tokenizer's own token", async () => {
    const tokenizer = await openTokenizer(join(modelFolder(model), 'tokenizer_2'), 77);
    expect(tokenizer.encode(goldens.textEncoder2!.prompts)).toEqual(goldens.textEncoder2!.ids);
  });
});

describe('the tokenizer', () => {
  const folder = join(modelFolder('tiny-sd15'), 'tokenizer');

  test('keeps start and end where a text is too long', async () => {
    const tokenizer = await openTokenizer(folder, 77);
    const [row, short] = tokenizer.encode([Array(200).fill('red').join(' '), 'red']);
    expect(row).toHaveLength(77);
    expect([row![0], row![76]]).toEqual([short![0], short![2]]);
    expect(new Set(row!.slice(1, 76))).toEqual(new Set([short![1]]));
  });

  test('makes no row longer than the text encoder has positions', async () => {
    const tokenizer = await openTokenizer(folder, 16);
    expect(tokenizer.length).toBe(16);
    expect(tokenizer.encode(['', 'a b c d e f g h i j k l m n o p q']).map((row) => row.length)).toEqual([16, 16]);
  });

  test('reads tokenizer.json where the two older files are missing', async () => {
    const own = await mkdtemp(join(tmpdir(), 'latentwire-tokenizer-'));
    try {
      const vocab = JSON.parse(await readFile(join(folder, 'vocab.json'), 'utf8'));
      await writeFile(
        join(own, 'tokenizer.json'),
        JSON.stringify({
          added_tokens: [],
          normalizer: { type: 'Lowercase' },
          pre_tokenizer: { type: 'Whitespace' },
          post_processor: null,
          decoder: null,
          model: { type: 'BPE', unk_token: '<|endoftext|>', end_of_word_suffix: '</w>', vocab, merges: [] },
        }),
      );
      const tokenizer = await openTokenizer(own, 8);
      expect(tokenizer.encode(['A b'])).toEqual([[998, vocab['a</w>'], vocab['b</w>'], 999, 999, 999, 999, 999]]);
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
    const graph = await openComponent(modelFolder(model), 'text_encoder', { name: 'cpu' });
    try {
      for (const [form, expected] of [
        [{ skip: 0, norm: true }, textEncoder.lastHiddenStateOfFirstPrompt],
        [{ skip: 1, norm: false }, textEncoder.penultimateOfFirstPrompt],
        [{ skip: 1, norm: true }, textEncoder.clipSkip1OfFirstPrompt],
      ] as const) {
        const { states } = await encodeClip(graph, ids!, form);
        expect([states.length, states.width]).toEqual(expected.shape);
        expect(relativeError(states.data, expected.data)).toBeLessThan(1e-3);
      }
    } finally {
      await graph.close();
    }
  });

  test('finds the final norm from its effect where a graph gives no normalized states', async () => {
    const graph = await openComponent(modelFolder(model), 'text_encoder', { name: 'cpu' });
    try {
      const raw = await encodeClip(graph, ids!, { skip: 1, norm: false });
      const before = await encodeClip(graph, ids!, { skip: 0, norm: false });
      const after = await encodeClip(graph, ids!, { skip: 0, norm: true });
      const found = applyFinalNorm(raw.states.data, before.states.data, after.states.data, raw.states.width);
      expect(relativeError(found, textEncoder.clipSkip1OfFirstPrompt.data)).toBeLessThan(1e-3);
    } finally {
      await graph.close();
    }
  });

  test('refuses to skip more layers than there are', async () => {
    const graph = await openComponent(modelFolder(model), 'text_encoder', { name: 'cpu' });
    try {
      await expect(encodeClip(graph, ids!, { skip: 40, norm: true })).rejects.toMatchObject({
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
  await expect(encodeClip(graph, [1, 2], { skip: 1, norm: true })).rejects.toMatchObject({
    code: 'unsupportedParameter',
    parameter: 'clipSkip',
  });
});

test('the cache keeps what was used last and makes nothing twice', async () => {
  const made: string[] = [];
  const cache = new Cache<string>(2);
  const get = (key: string) =>
    cache.get(key, async () => {
      made.push(key);
      return key;
    });
  for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) await get(key);
  expect(made).toEqual(['a', 'b', 'c', 'b']);
});
