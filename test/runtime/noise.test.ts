import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createNoise } from '../../runtime/tensors/noise.ts';

interface NoiseCase {
  seed: number;
  shape: number[];
  first: number[];
  last: number[];
  sum: number;
  secondDrawFirst: number[];
}

// Origin and tolerance: test/fixtures/README.md.
const fixture = new URL('../fixtures/noise.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(fixture, 'utf8')) as { cases: NoiseCase[] };

const within = 1e-5;

function expectClose(got: ArrayLike<number>, want: readonly number[]): void {
  expect(got.length).toBe(want.length);
  want.forEach((value, i) => {
    expect(Math.abs(got[i]! - value), `value ${i}`).toBeLessThan(within);
  });
}

describe('noise', () => {
  test.each(cases)('equals torch.randn for seed $seed and shape $shape, and goes on from there', (reference) => {
    const noise = createNoise(BigInt(reference.seed));
    const count = reference.shape.reduce((product, size) => product * size, 1);
    const values = noise.normal(count);
    expectClose(values.slice(0, reference.first.length), reference.first);
    expectClose(values.slice(-reference.last.length), reference.last);
    expect(Math.abs(values.reduce((sum, value) => sum + value, 0) - reference.sum)).toBeLessThan(1e-2);
    expectClose(noise.normal(count).slice(0, reference.secondDrawFirst.length), reference.secondDrawFirst);
  });

  test('depends on the low 32 bits of the seed alone', () => {
    expect(createNoise(2n ** 40n + 7n).normal(32)).toEqual(createNoise(7n).normal(32));
    expect(createNoise(8n).normal(32)).not.toEqual(createNoise(7n).normal(32));
  });

  test('keeps the second value of a scalar draw over a block draw', () => {
    const split = createNoise(1n);
    const first = split.normal(1);
    split.normal(16);
    const [a, b] = createNoise(1n).normal(2);
    expect(first[0]).toBe(a);
    expect(split.normal(1)[0]).toBe(b);
  });

  test('gives two streams of one seed the same values, whatever order they are drawn in', () => {
    const [a, b] = [createNoise(3n), createNoise(3n)];
    const firstOfA = a.normal(64);
    const bothOfB = [b.normal(64), b.normal(64)];
    expect([firstOfA, a.normal(64)]).toEqual(bothOfB);
  });

  test('draws nothing for a count of zero', () => {
    const noise = createNoise(5n);
    expect(noise.normal(0)).toHaveLength(0);
    expect(noise.normal(16)).toEqual(createNoise(5n).normal(16));
  });
});
