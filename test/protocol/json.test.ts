import { describe, expect, it } from 'vitest';
import { parseJson, StructureScan, stringifyJson } from '../../protocol/json.ts';

describe('parseJson', () => {
  it('reads a seed beyond 2^53 exactly, however it is spaced and wherever it lies', () => {
    const text = '[{"a":{"seed" :\n 9223372036854775807},"seed":9007199254740993}]';
    expect(parseJson(text)).toEqual([{ a: { seed: 9223372036854775807n }, seed: 9007199254740993n }]);
  });

  it('leaves seeds that a number holds, and fractions and exponents, as numbers', () => {
    expect(parseJson('{"seed":7}')).toEqual({ seed: 7 });
    expect(parseJson('[{"seed":9007199254740991},{"seed":-9007199254740991}]')).toEqual([
      { seed: 9007199254740991 },
      { seed: -9007199254740991 },
    ]);
    expect(parseJson('{"seed":12345678901234567.5}')).toEqual({ seed: Number('12345678901234567.5') });
    expect(parseJson('{"seed":1234567890123456789e2}')).toEqual({ seed: Number('1234567890123456789e2') });
  });

  it('leaves other keys, and seeds of absurd length, to JSON.parse', () => {
    expect(parseJson('{"other":9223372036854775807}')).toEqual({ other: 2 ** 63 });
    const absurd = '9'.repeat(100_000);
    expect(parseJson(`{"seed":${absurd}}`)).toEqual({ seed: Number.POSITIVE_INFINITY });
  });

  it('is not misled by text that looks like a seed', () => {
    const value = {
      prompt: 'he wrote "seed":9223372036854775807, and \\',
      'x"seed': 1,
      'seed\\': 2,
      seed: 'a string',
      last: '\\\\"seed":9223372036854775807\\',
    };
    const text = `{"big":${JSON.stringify(value)},"seed":9223372036854775807}`;
    expect(parseJson(text)).toEqual({ big: value, seed: 9223372036854775807n });
    expect(parseJson('{"x\\"seed":9223372036854775807,"a":"\\"seed\\":9223372036854775807"}')).toEqual({
      'x"seed': 2 ** 63,
      a: '"seed":9223372036854775807',
    });
  });

  it('throws a SyntaxError for what is not JSON, also behind a large seed', () => {
    for (const text of [
      '',
      '[',
      '{"seed":9223372036854775807',
      '{"seed":9223372036854775807} "open',
      '{"seed":09223372036854775807}',
    ]) {
      expect(() => parseJson(text), text).toThrow(SyntaxError);
    }
  });

  it('takes a long upload in one piece', () => {
    const image = 'A'.repeat(20_000_000);
    expect(parseJson(`{"image":"${image}","seed":9223372036854775807}`)).toEqual({ image, seed: 9223372036854775807n });
  });
});

describe('stringifyJson', () => {
  it('writes bigint as bare digits', () => {
    expect(stringifyJson({ seed: 9223372036854775807n, text: '"1"' })).toBe(
      '{"seed":9223372036854775807,"text":"\\"1\\""}',
    );
    expect(stringifyJson([7n, -(2n ** 64n)])).toBe('[7,-18446744073709551616]');
  });

  it('gives back what parseJson took', () => {
    const text = '{"seed":18446744073709551615,"nested":[{"seed":1},{"seed":9007199254740993}]}';
    expect(stringifyJson(parseJson(text))).toBe(text);
  });

  it('refuses what JSON cannot say', () => {
    expect(() => stringifyJson(undefined)).toThrow(TypeError);
  });
});

describe('StructureScan', () => {
  const limits = { maxValues: 10, maxDepth: 3 };
  /** Cut in every place, since a request arrives in pieces of any length. */
  const seen = (text: string) => {
    const bytes = new TextEncoder().encode(text);
    const answers = new Set<boolean>();
    for (let cut = 0; cut <= bytes.length; cut++) {
      const scan = new StructureScan(limits);
      answers.add(scan.exceeds(bytes.subarray(0, cut)) || scan.exceeds(bytes.subarray(cut)));
    }
    expect(answers.size, text).toBe(1);
    return [...answers][0];
  };

  it.each([
    ['[1,2,3,4,5,6,7,8]', false],
    ['[1,2,3,4,5,6,7,8,9,10]', true],
    ['[[[1]]]', false],
    ['[[[[1]]]]', true],
    ['{"a":{"b":[]}}', false],
    ['["[[[[{{{{,,,,,,,,,,,,"]', false],
    ['["\\",[,[,[,[,[,[,[,[,[,["]', false],
    ['["\\\\",[],[],[],[],[],[],[],[]]', true],
    ['["\\\\\\"[[[[[["]', false],
    ['["ä狐🦊,,,,,,,,,,,,,,,"]', false],
    ['"never closed [[[[[', false],
  ])('says of %s whether it is beyond: %s', (text, exceeds) => {
    expect(seen(text)).toBe(exceeds);
  });
});
