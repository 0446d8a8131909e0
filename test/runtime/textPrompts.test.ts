import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readStoredTensors, type StoredTensors } from '../../runtime/files/safetensors.ts';
import { type ClipTextForm, writeClipText } from '../../runtime/graphs/clipText.ts';
import { Graph } from '../../runtime/onnx/graph.ts';
import type { Row } from '../../runtime/run.ts';
import { toFloat16 } from '../../runtime/tensors/float16.ts';
import { floats, int64s } from '../../runtime/tensors/tensor.ts';
import { cutIntoChunks } from '../../runtime/text/chunks.ts';
import { type ClipForm, encodeClip } from '../../runtime/text/clip.ts';
import { type Embedding, readEmbedding, type WordVectors } from '../../runtime/text/embedding.ts';
import {
  encodePrompt,
  type Prompt,
  type PromptEncoder,
  planPrompt,
  unnamedEmbeddings,
} from '../../runtime/text/prompt.ts';
import { parsePrompt } from '../../runtime/text/promptSyntax.ts';
import { openTokenizer } from '../../runtime/text/tokenizer.ts';
import { weighCompel, weighSdEmbeds } from '../../runtime/text/weighting.ts';
import { modelFolder, readGoldens, relativeError, type TinyModel } from '../helpers/goldens.ts';
import { cpu } from '../helpers/graphs.ts';
import { answer } from '../helpers/parts.ts';

/** What Stable Diffusion 1.x and 2.x take. */
const last: ClipForm = { skip: 0, norm: true };
const ours: ClipTextForm = { extraEmbeddings: true, attentionMask: true };

/** Every graph of this file is closed at its end. */
const opened: Graph[] = [];
afterAll(async () => {
  for (const graph of opened) await graph.close();
});

type EncoderName = PromptEncoder['name'];

async function tensorsOf(model: TinyModel, name: EncoderName): Promise<StoredTensors> {
  return readStoredTensors(join(modelFolder(model), name, 'model.safetensors'));
}

async function openEncoder(
  model: TinyModel,
  form: ClipTextForm = ours,
  name: EncoderName = 'text_encoder',
): Promise<PromptEncoder> {
  const folder = join(modelFolder(model), name);
  const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8'));
  const { bytes } = writeClipText(config, await tensorsOf(model, name), form);
  const data = await readFile(join(folder, 'model.safetensors'));
  const graph = await Graph.open({ bytes, externalData: [{ path: 'model.safetensors', data }] }, cpu);
  opened.push(graph);
  const tokenizer = await openTokenizer(join(modelFolder(model), name.replace('text_encoder', 'tokenizer')), 77);
  return { graph, tokenizer, name };
}

function encode(encoder: PromptEncoder, prompt: Prompt | string, form: ClipForm & { chunks?: number } = last) {
  const plan = planPrompt(encoder, typeof prompt === 'string' ? { text: prompt } : prompt);
  return answer(encodePrompt(encoder, plan, form));
}

const fragmentsOf = (text: string, weighting?: 'compel' | 'sdEmbeds') =>
  parsePrompt(text, weighting).parts[0]!.fragments.map(({ text, weight }) => [text, Number(weight.toFixed(6))]);

describe('prompts without weighting', () => {
  test('are text, signs and all', () => {
    for (const text of ['a (red:1.5) [fox] cat++ (two words)1.3', '("a", "b").and()', '']) {
      expect(parsePrompt(text)).toEqual({
        join: 'concatenate',
        parts: [{ fragments: [{ text, weight: 1 }], weight: 1 }],
      });
    }
  });
});

describe('the syntax sdEmbeds', () => {
  // The expected weights are products of 1.1, 1 / 1.1 and the numbers written, as the web UI documents them.
  test.each([
    ['a cat', [['a cat', 1]]],
    [
      'an (important) word',
      [
        ['an ', 1],
        ['important', 1.1],
        [' word', 1],
      ],
    ],
    [
      '((very)) much',
      [
        ['very', 1.21],
        [' much', 1],
      ],
    ],
    [
      '[less] here',
      [
        ['less', 0.909091],
        [' here', 1],
      ],
    ],
    ['(some words:1.3)', [['some words', 1.3]]],
    [
      '(a (b:2) c:1.5)',
      [
        ['a ', 1.5],
        ['b', 3],
        [' c', 1.5],
      ],
    ],
    ['[(a)]', [['a', 1]]],
    ['\\(literal\\] \\\\', [['(literal] \\', 1]]],
    ['(negative:-1)', [['negative', -1]]],
    [
      '(a:0) b',
      [
        ['a', 0],
        [' b', 1],
      ],
    ],
    ['(too much:99)', [['too much', 10]]],
    [
      'at 10:30 (sharp)',
      [
        ['at 10:30 ', 1],
        ['sharp', 1.1],
      ],
    ],
  ])('reads %s', (text, expected) => {
    expect(fragmentsOf(text, 'sdEmbeds')).toEqual(expected);
  });

  test.each(['(open', 'close)', 'a [b', '10:30)', ':)', ')(', '](', '(a:b'])(
    'takes %s without its partner as text',
    (text) => {
      expect(fragmentsOf(text, 'sdEmbeds')).toEqual([[text, 1]]);
    },
  );

  test('weighs what is closed beside what is not', () => {
    expect(fragmentsOf('(a (b) c', 'sdEmbeds')).toEqual([
      ['(a ', 1],
      ['b', 1.1],
      [' c', 1],
    ]);
    expect(fragmentsOf('(a [b) c]', 'sdEmbeds')).toEqual([
      ['a [b', 1.1],
      [' c]', 1],
    ]);
  });
});

describe('the syntax compel', () => {
  // Weights: 1.1 for each plus, 0.9 for each minus, numbers as written; nested ones multiply.
  test.each([
    [
      'fire flames++',
      [
        ['fire ', 1],
        ['flames', 1.21],
      ],
    ],
    [
      'fire flames--, smoke',
      [
        ['fire ', 1],
        ['flames', 0.81],
        [', smoke', 1],
      ],
    ],
    [
      '(pretty flowers)+, hot',
      [
        ['pretty flowers', 1.1],
        [', hot', 1],
      ],
    ],
    ['(flames)0.5', [['flames', 0.5]]],
    ['"some words"-', [['some words', 0.9]]],
    [
      'fire (flames (trees)1.5)2.0',
      [
        ['fire ', 1],
        ['flames ', 2],
        ['trees', 3],
      ],
    ],
    ['fire (flames)', [['fire flames', 1]]],
    [
      'flames.attend(0.5) (a b).attend(++)',
      [
        ['flames ', 0.5],
        ['a b', 1.21],
      ],
    ],
    ['hot-dog a+b - well', [['hot-dog a+b - well', 1]]],
    [
      'a- b- c',
      [
        ['a b ', 0.9],
        ['c', 1],
      ],
    ],
    ['C\\+\\+ \\(word\\) \\"q\\"', [['C++ (word) "q"', 1]]],
    ['(tall) 1.3 --ar', [['tall 1.3 --ar', 1]]],
    [
      '(word)1.3.',
      [
        ['word', 1.3],
        ['.', 1],
      ],
    ],
    ['a dot. And more', [['a dot. And more', 1]]],
  ])('reads %s', (text, expected) => {
    expect(fragmentsOf(text, 'compel')).toEqual(expected);
  });

  test.each([
    ['(open', '(open'],
    ['close)', 'close)'],
    ['say "no', 'say "no'],
    [')(', ')('],
    ['(a "b)', 'a "b'],
    ['("a", b).blend(1', 'a, b.blend(1'],
    ['("a").blend(x)', 'a.blendx'],
  ])('takes signs without a partner as text: %s', (text, expected) => {
    expect(fragmentsOf(text, 'compel')).toEqual([[expected, 1]]);
  });

  test('joins prompts with .and() and blends them with .blend()', () => {
    expect(parsePrompt('("a cat++", "oil, painting").and(1, 0.5)', 'compel')).toEqual({
      join: 'concatenate',
      parts: [
        {
          fragments: [
            { text: 'a ', weight: 1 },
            { text: 'cat', weight: 1.1 ** 2 },
          ],
          weight: 1,
        },
        { fragments: [{ text: 'oil, painting', weight: 1 }], weight: 0.5 },
      ],
    });
    const weights = (text: string) => parsePrompt(text, 'compel').parts.map(({ weight }) => weight);
    expect(weights('("a", (b), c).blend(2, 1, 1)')).toEqual([0.5, 0.25, 0.25]);
    expect(weights('("a", "b").blend(2, 1, no_normalize)')).toEqual([2, 1]);
    expect(weights('("a", "b").blend(1, -1)')).toEqual([1, -1]);
    expect(weights('("a", "b").and()')).toEqual([1, 1]);
  });
});

/** Numbers in [0, 1) from a seed (mulberry32), so that a failure comes again. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Whether `text` is `whole` with some signs taken out. */
function isWithoutSigns(text: string, whole: string, signs: RegExp): boolean {
  let at = 0;
  for (const character of whole) {
    if (text.startsWith(character, at)) at += character.length;
    else if (!signs.test(character)) return false;
  }
  return at === text.length;
}

describe.each([
  ['sdEmbeds', /^[()[\]\\:+\-.\d\s]$/u],
  ['compel', /^[()"\\+\-.\dattend\s]$/u],
] as const)('any prompt in %s', (weighting, signs) => {
  const alphabet = [
    '(',
    ')',
    '[',
    ']',
    '"',
    '\\',
    '+',
    '-',
    ':',
    '.',
    ',',
    '1.2',
    '0',
    ' ',
    'x',
    'yz',
    '.attend(',
    ':1.3)',
    '\u{1f98a}',
    '\ud83e',
    '\0',
    '\n',
    'é',
  ];

  test('is read without an exception, and loses nothing but signs', () => {
    const random = randomFrom(20);
    for (let round = 0; round < 5000; round++) {
      const text = Array.from(
        { length: Math.floor(random() * 30) },
        () => alphabet[Math.floor(random() * alphabet.length)],
      ).join('');
      const [part] = parsePrompt(text, weighting).parts;
      const rest = part!.fragments.map((fragment) => fragment.text).join('');
      expect(isWithoutSigns(rest, text, signs), JSON.stringify([text, rest])).toBe(true);
      for (const { weight } of part!.fragments) expect(Math.abs(weight)).toBeLessThanOrEqual(10);
    }
  });

  test('keeps the text of whatever is nested well, with the product of its weights', () => {
    const random = randomFrom(21);
    const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)]!;
    // Writes a prompt and what it means side by side.
    const write = (depth: number, weight: number, meaning: [string, number][]): string => {
      let text = '';
      for (let i = 0; i < 3; i++) {
        const word = `${pick(['fox', 'red', 'sky', 'x'])} `;
        if (depth > 3 || random() < 0.5) {
          meaning.push([word, weight]);
          text += word;
          continue;
        }
        const factor = pick([0.5, 1.3, 2]);
        const inner = write(depth + 1, weight * factor, meaning);
        text += weighting === 'compel' ? `(${inner})${factor} ` : `(${inner}:${factor}) `;
      }
      return text;
    };
    for (let round = 0; round < 300; round++) {
      const meaning: [string, number][] = [];
      const text = write(0, 1, meaning);
      const { fragments } = parsePrompt(text, weighting).parts[0]!;
      // White space aside, letter by letter, with the weight of each.
      const letters = (pieces: Iterable<readonly [string, number]>) =>
        [...pieces].flatMap(([piece, weight]) =>
          [...piece.replace(/\s/gu, '')].map((letter) => `${letter}${Math.min(10, weight).toFixed(6)}`),
        );
      expect(letters(fragments.map(({ text, weight }) => [text, weight] as const)), text).toEqual(letters(meaning));
    }
  });

  test.each(
    Object.entries({
      parentheses: '('.repeat(10_000),
      pairs: `${'('.repeat(5_000)}${')'.repeat(5_000)}`,
      weightedPairs: `${'('.repeat(1_600)}${':1.2)'.repeat(1_600)}`,
      mixed: `${'(['.repeat(2_500)}${')]'.repeat(2_500)}`,
      quotes: '"('.repeat(5_000),
      backslashes: '\\'.repeat(10_000),
      pluses: `a${'+'.repeat(9_999)}`,
      words: 'a++ '.repeat(2_500),
      colons: `(${':'.repeat(9_999)}`,
      spaces: ' '.repeat(10_000),
      colonsAndSpaces: `(${`:${' '.repeat(99)}`.repeat(99)}`,
      emoji: '\u{1f98a}'.repeat(5_000),
      surrogates: '\ud83e'.repeat(10_000),
      nul: '\0'.repeat(10_000),
      joins: '("a").blend('.repeat(800),
      list: `(${'"",'.repeat(3_000)}"").blend(1)`,
      digits: `(a:${'1'.repeat(9_000)})`,
    }),
  )(
    'takes 10,000 %s in its stride',
    async (_, text) => {
      const tokenizer = await openTokenizer(join(modelFolder('tiny-sd15'), 'tokenizer'), 77);
      const { parts } = parsePrompt(text, weighting);
      for (const { fragments } of parts) {
        for (const { weight } of fragments) expect(Number.isFinite(weight)).toBe(true);
      }
      const chunks = cutIntoChunks(tokenizer, parts[0]!.fragments, [{ name: 'a', id: -1, count: 2 }]);
      expect(chunks.every(({ ids, weights }) => ids.length === 77 && weights.length === 77)).toBe(true);
    },
    5_000,
  );
});

describe('weights on states', () => {
  // [2, 2]: two tokens of width 2.
  const row = (...data: number[]) => ({ data: Float32Array.from(data), length: 2, width: 2 });

  test('sdEmbeds multiplies and restores the mean', () => {
    // Mean 2.5 before; weights 2 and 1 give 2, 4, 3, 4 with mean 3.25; times 2.5 / 3.25.
    const { data } = weighSdEmbeds(row(1, 2, 3, 4), [2, 1]);
    [2, 4, 3, 4].forEach((value, at) => {
      expect(data[at]).toBeCloseTo((value * 2.5) / 3.25, 6);
    });
  });

  test('sdEmbeds leaves the mean alone where it is about 0', () => {
    expect([...weighSdEmbeds(row(1, -1, 2, -2), [2, 1]).data]).toEqual([2, -2, 2, -2]);
    // The sum is 0.02 before and 0.27 after, because tokens cancel each other.
    expect([...weighSdEmbeds(row(1, -0.75, 0, -0.23), [2, 1]).data]).toEqual([2, -1.5, 0, Math.fround(-0.23)]);
  });

  test('compel moves tokens along the line from the empty text', () => {
    // z0 + w (z - z0) with z0 = 1: 1 + 1.5 (1 - 1), 1 + 1.5 (3 - 1), the rest as it is.
    const { data } = weighCompel(row(1, 3, 5, 7), row(1, 1, 1, 1), [1.5, 1], []);
    expect([...data]).toEqual([1, 4, 5, 7]);
  });

  test('compel mixes in the prompt without a fragment of a weight below 1', () => {
    // At 0.5 tan(π/4) = 1: half base, half without. Base: 0.5 · (4, 8) and (2, 2); without: 0.5 · (0, 4) and (6, 4).
    const states = row(4, 8, 2, 2);
    const without = { weight: 0.5, row: { states: row(0, 4, 6, 4), weights: [0.5, 1] } };
    const mixed = weighCompel(states, row(0, 0, 0, 0), [0.5, 1], [without]).data;
    [1, 3, 4, 3].forEach((value, at) => {
      expect(mixed[at]).toBeCloseTo(value, 6);
    });
    // At 0 nothing but the prompt without it remains, up to the smallest weight of 1e-5.
    const gone = weighCompel(
      states,
      row(0, 0, 0, 0),
      [1, 1],
      [{ weight: 0, row: { states: row(9, 9, 9, 9), weights: [1, 1] } }],
    );
    for (const value of gone.data) expect(value).toBeCloseTo(9, 3);
    // A row that does not hold the fragment stays what it was.
    const apart = weighCompel(states, row(0, 0, 0, 0), [1, 1], [{ weight: 0.5, row: undefined }]);
    expect([...apart.data]).toEqual([...states.data]);
  });
});

describe('a weighted prompt', () => {
  test('is byte for byte the plain one where all weights are 1', async () => {
    const encoder = await openEncoder('tiny-sd15');
    const plain = await encode(encoder, 'a red fox on a hill');
    for (const [text, weighting] of [
      ['a (red:1) fox on (a hill:1.0)', 'sdEmbeds'],
      ['a [(red)] fox on a hill', 'sdEmbeds'],
      ['a (red)1 fox on (a hill)', 'compel'],
      ['a "red fox" on a hill', 'compel'],
      ['("a red fox on a hill").blend(1)', 'compel'],
    ] as const) {
      const { states } = await encode(encoder, { text, weighting });
      expect(states).toEqual(plain.states);
    }
  });

  test('is its states under the weights of its tokens, in sdEmbeds', async () => {
    const encoder = await openEncoder('tiny-sd15');
    const plain = await encode(encoder, 'a red fox');
    const { states } = await encode(encoder, { text: 'a (red:1.5) fox', weighting: 'sdEmbeds' });
    const [chunk] = cutIntoChunks(encoder.tokenizer, parsePrompt('a (red:1.5) fox', 'sdEmbeds').parts[0]!.fragments);
    expect(chunk!.weights.filter((weight) => weight === 1.5).length).toBeGreaterThan(0);
    expect(states).toEqual(weighSdEmbeds(plain.states, chunk!.weights));
    expect(relativeError(states.data, plain.states.data)).toBeGreaterThan(1e-2);
  });

  test('mixes in the states with the fragment hidden, in compel', async () => {
    const encoder = await openEncoder('tiny-sd15');
    const rows: Row[] = [];
    const prompt: Prompt = { text: 'a red- fox++', weighting: 'compel' };
    const { states } = await answer(encodePrompt(encoder, planPrompt(encoder, prompt), last), rows);
    // The prompt without "red", the empty text, and the prompt.
    expect(rows).toHaveLength(3);
    const [chunk] = cutIntoChunks(encoder.tokenizer, parsePrompt(prompt.text, 'compel').parts[0]!.fragments);
    const encodeIds = async (ids: readonly number[], mask: readonly number[]) => {
      const attention_mask = { dtype: 'int32', dims: [1, 77], data: Int32Array.from(mask) } as const;
      const extra_embeddings = floats(new Float32Array(32), [1, 32]);
      const [output] = await answer(
        encodeClip(encoder.graph, [{ input_ids: int64s(ids, [1, 77]), attention_mask }], last, { extra_embeddings }),
      );
      return output!.states;
    };
    const seen = new Array<number>(77).fill(1);
    const hidden = chunk!.weights.map((weight) => (weight < 1 ? 0 : 1));
    const empty = await encodeIds(cutIntoChunks(encoder.tokenizer, [])[0]!.ids, seen);
    const whole = await encodeIds(chunk!.ids, seen);
    const without = await encodeIds(chunk!.ids, hidden);
    expect(relativeError(without.data, whole.data)).toBeGreaterThan(1e-3);
    const lacking = [{ weight: 0.9, row: { states: without, weights: chunk!.weights } }];
    expect(states).toEqual(weighCompel(whole, empty, chunk!.weights, lacking));
  });

  test('leaves the fragment out where the graph has no mask', async () => {
    const encoder = await openEncoder('tiny-sd15', {});
    const { states } = await encode(encoder, { text: 'a red fox (on a hill)0.5', weighting: 'compel' });
    const empty = (await encode(encoder, '')).states;
    const whole = (await encode(encoder, 'a red fox on a hill')).states;
    const without = (await encode(encoder, 'a red fox')).states;
    const [chunk] = cutIntoChunks(
      encoder.tokenizer,
      parsePrompt('a red fox (on a hill)0.5', 'compel').parts[0]!.fragments,
    );
    const lacking = [{ weight: 0.5, row: { states: without, weights: new Array<number>(77).fill(1) } }];
    expect(states).toEqual(weighCompel(whole, empty, chunk!.weights, lacking));
  });

  test('keeps the pooled text of the plain prompt', async () => {
    const encoder = await openEncoder('tiny-sdxl', ours, 'text_encoder_2');
    const form = { skip: 1, norm: false };
    const plain = await encode(encoder, 'a red fox', form);
    for (const [text, weighting] of [
      ['a (red:1.5) fox', 'sdEmbeds'],
      ['a (red)1.5 fox', 'compel'],
    ] as const) {
      const weighted = await encode(encoder, { text, weighting }, form);
      expect(weighted.pooled).toEqual(plain.pooled);
      expect(relativeError(weighted.states.data, plain.states.data)).toBeGreaterThan(1e-3);
    }
  });

  test('blends and joins prompts', async () => {
    const encoder = await openEncoder('tiny-sd15');
    const [fox, hill, empty] = await Promise.all(['a red fox', 'a hill', ''].map((text) => encode(encoder, text)));
    const blended = await encode(encoder, { text: '("a red fox", "a hill").blend(3, 1)', weighting: 'compel' });
    const expected = fox!.states.data.map((value, at) => 0.75 * value + 0.25 * hill!.states.data[at]!);
    expect(relativeError(blended.states.data, expected)).toBeLessThan(1e-6);
    const joined = await encode(encoder, { text: '("a red fox", "a hill").and(1, 2)', weighting: 'compel' });
    expect(joined.states.length).toBe(154);
    expect(joined.states.data.subarray(0, 77 * 32)).toEqual(fox!.states.data);
    const twice = hill!.states.data.map((value, at) => empty!.states.data[at]! * -1 + 2 * value);
    expect(relativeError(joined.states.data.subarray(77 * 32), twice)).toBeLessThan(1e-6);
  });

  test('may not have more light parts than the encoder should run for', async () => {
    const encoder = await openEncoder('tiny-sd15');
    expect(() =>
      planPrompt(encoder, { text: 'a- b '.repeat(200), weighting: 'compel', parameter: 'negativePrompt' }),
    ).toThrow(expect.objectContaining({ code: 'invalidParameter', parameter: 'negativePrompt' }));
    const text = Array.from({ length: 128 }, (_, index) => `${index % 2 ? 'a' : 'b'}- ${index}`).join(' ');
    await expect(encode(encoder, { text, weighting: 'compel' })).rejects.toMatchObject({
      code: 'invalidParameter',
      parameter: 'prompt',
    });
  });
});

describe('a long prompt', () => {
  const words = Array.from({ length: 100 }, (_, index) => ['red', 'fox', 'hill', 'watercolor', 'potion,'][index % 5]!);
  const text = words.join(' ');

  test('becomes rows of whole words, and each is what it is alone', async () => {
    const encoder = await openEncoder('tiny-sd15');
    const chunks = cutIntoChunks(encoder.tokenizer, [{ text, weight: 1 }]);
    expect(chunks.length).toBeGreaterThan(1);
    // Words cut anew by hand: the rows hold the same tokens in order, and begin and end where a word does.
    const tokens = encoder.tokenizer.tokenize(text).map(({ id }) => id);
    const inner = chunks.map(({ ids }) => ids.slice(1, ids.indexOf(encoder.tokenizer.end)));
    expect(inner.flat()).toEqual(tokens);
    const starts = new Set<number>();
    let at = 0;
    for (const word of words) {
      starts.add(at);
      at += encoder.tokenizer.tokenize(word).length;
    }
    at = 0;
    for (const ids of inner) {
      expect(starts.has(at)).toBe(true);
      expect(ids.length).toBeLessThanOrEqual(75);
      at += ids.length;
    }

    const whole = await encode(encoder, text);
    expect(whole.states.length).toBe(77 * chunks.length);
    for (const [index, { ids }] of chunks.entries()) {
      const row = {
        input_ids: int64s(ids, [1, 77]),
        attention_mask: { dtype: 'int32', dims: [1, 77], data: new Int32Array(77).fill(1) },
      } as const;
      const [alone] = await answer(
        encodeClip(encoder.graph, [row], last, { extra_embeddings: floats(new Float32Array(32), [1, 32]) }),
      );
      expect(whole.states.data.subarray(index * 77 * 32, (index + 1) * 77 * 32)).toEqual(alone!.states.data);
    }
  });

  test('is followed by rows of the empty text where another is longer', async () => {
    const encoder = await openEncoder('tiny-sd15');
    const short = await encode(encoder, 'a red fox', { ...last, chunks: 3 });
    expect(short.states.length).toBe(231);
    const size = 77 * 32;
    expect(short.states.data.subarray(0, size)).toEqual((await encode(encoder, 'a red fox')).states.data);
    const empty = (await encode(encoder, '')).states.data;
    expect(short.states.data.subarray(size, 2 * size)).toEqual(empty);
    expect(short.states.data.subarray(2 * size)).toEqual(empty);
  });

  test('gives the pooled text of its first row', async () => {
    const encoder = await openEncoder('tiny-sdxl', ours, 'text_encoder_2');
    const form = { skip: 1, norm: false };
    const [first] = cutIntoChunks(encoder.tokenizer, [{ text, weight: 1 }]);
    const tokens = first!.ids.indexOf(encoder.tokenizer.end) - 1;
    let count = 0;
    let head = 0;
    while (count < tokens) count += encoder.tokenizer.tokenize(words[head++]!).length;
    const alone = await encode(encoder, words.slice(0, head).join(' '), form);
    expect((await encode(encoder, text, form)).pooled).toEqual(alone.pooled);
  });

  test('cuts a word only where it fills a row by itself', async () => {
    const { tokenizer } = await openEncoder('tiny-sd15');
    const giant = 'q'.repeat(200);
    const rows = cutIntoChunks(tokenizer, [{ text: `red ${giant} fox`, weight: 1 }]);
    const tokens = tokenizer.tokenize(`red ${giant} fox`).map(({ id }) => id);
    expect(rows.flatMap(({ ids }) => ids.slice(1, ids.indexOf(tokenizer.end)))).toEqual(tokens);
    expect(rows.length).toBeLessThanOrEqual(Math.ceil(tokens.length / 75) + 1);
  });

  test('ends somewhere', async () => {
    const encoder = await openEncoder('tiny-sd15');
    for (const prompt of [
      { text: '\u{1f98a} '.repeat(3_300), parameter: 'negativePrompt' },
      { text: 'x'.repeat(10_001), parameter: 'negativePrompt' },
      { text: `(${'"a",'.repeat(100)}"b").and()`, weighting: 'compel', parameter: 'negativePrompt' },
    ] as const) {
      expect(() => planPrompt(encoder, prompt)).toThrow(
        expect.objectContaining({
          code: 'invalidParameter',
          parameter: 'negativePrompt',
          message: expect.stringContaining('at most'),
        }),
      );
    }
  });
});

/** Writes a safetensors file of named tensors. */
async function writeTensors(
  file: string,
  tensors: Record<string, { dtype?: string; shape: number[]; data: Float32Array | Uint16Array }>,
  metadata?: Record<string, string>,
): Promise<string> {
  const header: Record<string, unknown> = metadata ? { __metadata__: metadata } : {};
  let offset = 0;
  for (const [name, { dtype = 'F32', shape, data }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const bodies = Object.values(tensors).map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  await writeFile(file, Buffer.concat([length, json, ...bodies]));
  return file;
}

describe('the file of a textual inversion', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'latentwire-embedding-'));
  });
  afterAll(() => rm(folder, { recursive: true }));
  const values = Float32Array.of(0.5, -2, 1.5, 0, 3, -0.25);

  test('is read in the three layouts that are about', async () => {
    const vectors = { count: 2, width: 3, data: values };
    const webUi = await writeTensors(join(folder, 'my-style.safetensors'), {
      emb_params: { shape: [2, 3], data: values },
    });
    expect(await readEmbedding(webUi)).toEqual({ name: 'my-style', vectors: { text_encoder: vectors } });
    const named = await writeTensors(
      join(folder, 'a.safetensors'),
      { emb_params: { shape: [2, 3], data: values } },
      { name: 'Style B' },
    );
    expect((await readEmbedding(named)).name).toBe('Style B');
    const two = await writeTensors(join(folder, 'xl.safetensors'), {
      clip_g: { shape: [1, 6], data: values },
      clip_l: { shape: [2, 3], data: values },
    });
    expect(await readEmbedding(two)).toEqual({
      name: 'xl',
      vectors: { text_encoder: vectors, text_encoder_2: { count: 1, width: 6, data: values } },
    });
    const token = await writeTensors(join(folder, 'learned_embeds.safetensors'), {
      '<cat-toy>': { shape: [6], data: values },
    });
    expect(await readEmbedding(token)).toEqual({
      name: 'cat-toy',
      vectors: { text_encoder: { count: 1, width: 6, data: values } },
    });
  });

  test('may be in half precision or bfloat16', async () => {
    // All values are exact in both: bfloat16 keeps the upper 16 bits of float32.
    const halves = toFloat16(values);
    const upper = Uint16Array.from(new Uint32Array(values.buffer), (bits) => bits >>> 16);
    for (const [dtype, data] of [
      ['F16', halves],
      ['BF16', upper],
    ] as const) {
      const file = await writeTensors(join(folder, `${dtype}.safetensors`), {
        emb_params: { dtype, shape: [2, 3], data },
      });
      expect((await readEmbedding(file)).vectors.text_encoder?.data).toEqual(values);
    }
  });

  test('is refused with the reason where it is none', async () => {
    const cases: [string, Parameters<typeof writeTensors>[1], string][] = [
      ['cube', { emb_params: { shape: [1, 2, 3], data: values } }, 'has shape [1, 2, 3]'],
      ['scalar', { emb_params: { shape: [], data: values.subarray(0, 1) } }, 'has shape []'],
      ['none', { emb_params: { shape: [0, 3], data: values.subarray(0, 0) } }, 'has shape [0, 3]'],
      ['many', { emb_params: { shape: [76, 1], data: new Float32Array(76) } }, 'has shape [76, 1]'],
      ['model', { a: { shape: [6], data: values }, b: { shape: [6], data: values } }, 'holds 2 tensors'],
      ['nan', { emb_params: { shape: [1], data: Float32Array.of(Number.NaN) } }, 'NaN or infinite values'],
      ['whole', { emb_params: { dtype: 'I32', shape: [6], data: values } }, 'stored as I32'],
      ['<>', { ' ': { shape: [6], data: values } }, 'token is empty'],
    ];
    for (const [name, tensors, reason] of cases) {
      const file = await writeTensors(join(folder, `${name}.safetensors`), tensors);
      await expect(readEmbedding(file), name).rejects.toThrow(reason);
    }
    await writeFile(join(folder, 'short.safetensors'), 'no header');
    await expect(readEmbedding(join(folder, 'short.safetensors'))).rejects.toThrow('short.safetensors');
  });
});

/** The stored vector of a token. */
async function vectorOf(model: TinyModel, name: EncoderName, id: number): Promise<WordVectors> {
  const table = (await tensorsOf(model, name)).get('text_model.embeddings.token_embedding.weight')!;
  const width = table.shape[1]!;
  const file = await readFile(table.file);
  const bytes = file.subarray(table.offset + id * width * 4, table.offset + (id + 1) * width * 4);
  return { count: 1, width, data: new Float32Array(Uint8Array.from(bytes).buffer) };
}

describe('a textual inversion', () => {
  const weighted = (embedding: Embedding, weight = 1) => ({ ...embedding, weight });

  test('of the vectors of a word gives byte for byte what the word gives', async () => {
    const encoder = await openEncoder('tiny-sd15');
    const tokens = encoder.tokenizer.tokenize('potion');
    expect(tokens.length).toBeGreaterThan(1);
    const vectors = await Promise.all(tokens.map(({ id }) => vectorOf('tiny-sd15', 'text_encoder', id)));
    const data = Float32Array.from(vectors.flatMap((vector) => [...vector.data]));
    const embedding = weighted({
      name: 'My-Style',
      vectors: { text_encoder: { count: tokens.length, width: 32, data } },
    });
    const plain = await encode(encoder, 'a red potion, on a table');
    for (const text of ['a red my-style, on a table', 'a red <MY-STYLE>, on a table']) {
      const { states } = await encode(encoder, { text, embeddings: [embedding] });
      expect(states).toEqual(plain.states);
    }
    // Weighted like any other word.
    const bold = await encode(encoder, {
      text: 'a red (my-style:1.4), on a table',
      weighting: 'sdEmbeds',
      embeddings: [embedding],
    });
    const boldPlain = await encode(encoder, { text: 'a red (potion:1.4), on a table', weighting: 'sdEmbeds' });
    expect(bold.states).toEqual(boldPlain.states);
  });

  test('is multiplied by its weight, and follows the text where nothing names it', async () => {
    const encoder = await openEncoder('tiny-sd15');
    const [{ id }] = encoder.tokenizer.tokenize('x') as [{ id: number; endsWord: boolean }];
    const { data } = await vectorOf('tiny-sd15', 'text_encoder', id);
    const half = weighted(
      { name: 'half', vectors: { text_encoder: { count: 1, width: 32, data: data.map((v) => v / 2) } } },
      2,
    );
    const { states } = await encode(encoder, { text: 'a fox', embeddings: [half], appended: [half] });
    expect(states).toEqual((await encode(encoder, 'a fox x')).states);
    const other = weighted({ name: 'other', vectors: {} });
    expect(unnamedEmbeddings(['a fox', 'Half a hill'], undefined, [half, other])).toEqual([other]);
    expect(unnamedEmbeddings(['half-baked, halfway, behalf'], undefined, [half])).toEqual([half]);
    expect(unnamedEmbeddings(['(half)++ a'], 'compel', [half])).toEqual([]);
  });

  test('reaches both encoders of SDXL, each with vectors of its own', async () => {
    const encoders = await Promise.all(
      (['text_encoder', 'text_encoder_2'] as const).map((name) => openEncoder('tiny-sdxl', ours, name)),
    );
    const ids = encoders[0]!.tokenizer.tokenize('x');
    const embedding = weighted({
      name: 'two',
      vectors: {
        text_encoder: await vectorOf('tiny-sdxl', 'text_encoder', ids[0]!.id),
        text_encoder_2: await vectorOf('tiny-sdxl', 'text_encoder_2', ids[0]!.id),
      },
    });
    for (const encoder of encoders) {
      const form = { skip: 1, norm: false };
      const named = await encode(encoder, { text: 'a red two', embeddings: [embedding] }, form);
      const plain = await encode(encoder, 'a red x', form);
      expect(named).toEqual(plain);
    }
  });

  test('finds the longest name, and names with signs in them', async () => {
    const { tokenizer } = await openEncoder('tiny-sd15');
    const words = ['bad', 'bad hands', 'c++ (v1.0)'].map((name, index) => ({ name, id: -1 - index, count: 1 }));
    const added = (text: string) =>
      cutIntoChunks(tokenizer, [{ text, weight: 1 }], words)[0]!.ids.filter((id) => id < 0);
    expect(added('bad hands, bad')).toEqual([-2, -1]);
    expect(added('c++ (v1.0) <bad>')).toEqual([-3, -1]);
    expect(added('badly, bad-hands, _bad')).toEqual([]);
  });

  test('stays in one row', async () => {
    const { tokenizer } = await openEncoder('tiny-sd15');
    const text = `${'x '.repeat(70)}style`;
    const rows = cutIntoChunks(tokenizer, [{ text, weight: 1 }], [{ name: 'style', id: -1, count: 10 }]);
    expect(rows.map(({ ids }) => ids.filter((id) => id < 0).length)).toEqual([0, 10]);
  });

  test('says what does not fit', async () => {
    const encoder = await openEncoder('tiny-sd15');
    const wide = weighted({
      name: 'wide',
      vectors: { text_encoder: { count: 1, width: 768, data: new Float32Array(768) } },
    });
    const second = weighted({
      name: 'second',
      vectors: { text_encoder_2: { count: 1, width: 32, data: new Float32Array(32) } },
    });
    for (const [embedding, widths] of [
      [wide, /768.*32/u],
      [second, /no vectors.*32/u],
    ] as const) {
      expect(() => planPrompt(encoder, { text: 'a', embeddings: [embedding] })).toThrow(
        expect.objectContaining({
          code: 'invalidParameter',
          parameter: 'embeddings',
          message: expect.stringMatching(widths),
        }),
      );
    }
    const exported = await openEncoder('tiny-sd15', { states: 'plain' });
    expect(() => planPrompt(exported, { text: 'a', embeddings: [wide] })).toThrow(
      expect.objectContaining({ code: 'unsupportedParameter', parameter: 'embeddings' }),
    );
  });
});

describe.each(['tiny-sd15', 'tiny-sd21-v', 'tiny-sdxl'] as const)(
  'the text encoder of %s with inputs for prompts',
  (model) => {
    test.each(['fused', 'plain'] as const)('keeps to the reference with %s attention', async (attention) => {
      const encoder = await openEncoder(model, { ...ours, attention });
      const { prompts, lastHiddenStateOfFirstPrompt: expected } = readGoldens(model).textEncoder;
      const { states } = await encode(encoder, prompts[0]!);
      expect(relativeError(states.data, expected.data)).toBeLessThan(1e-3);
    });

    test.each(['fused', 'plain'] as const)('hides tokens from all others with %s attention', async (attention) => {
      const encoder = await openEncoder(model, { ...ours, attention });
      const run = async (middle: number, hides: boolean) => {
        const ids = [998, 5, 6, middle, middle, 7, ...new Array<number>(71).fill(999)];
        const mask = ids.map((_, at) => (hides && (at === 3 || at === 4) ? 0 : 1));
        const row: Row = {
          input_ids: int64s(ids, [1, 77]),
          attention_mask: { dtype: 'int32', dims: [1, 77], data: Int32Array.from(mask) },
        };
        const [output] = await answer(
          encodeClip(encoder.graph, [row], last, { extra_embeddings: floats(new Float32Array(32), [1, 32]) }),
        );
        return output!.states.data;
      };
      const [one, other, open] = [await run(20, true), await run(300, true), await run(20, false)];
      // The tokens before them are as ever, those after them know nothing of them.
      expect(one.subarray(0, 3 * 32)).toEqual(open.subarray(0, 3 * 32));
      expect(one.subarray(5 * 32)).toEqual(other.subarray(5 * 32));
      expect(relativeError(one.subarray(5 * 32), open.subarray(5 * 32))).toBeGreaterThan(1e-4);
    });
  },
);
