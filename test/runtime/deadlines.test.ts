import { expect, test } from 'vitest';
import type { GenerateRequest } from '../../runtime/messages.ts';
import { machineClock } from '../../runtime/process/clock.ts';
import { Deadlines } from '../../runtime/process/deadlines.ts';
import { newRun, type Run } from '../../runtime/process/run.ts';
import { noWidths } from '../../runtime/process/working.ts';

/** A run of a model with so many weights. */
function runOf(count: number, side: number): Run {
  const request = { model: '/model', prompt: '', width: side, height: side } as GenerateRequest;
  const run = newRun(1, request, new AbortController().signal);
  run.weights = new Map([['/model', { stored: 0, widened: 0, count, widths: noWidths }]]);
  return run;
}

const deadlinesOf = (ms?: ConstructorParameters<typeof Deadlines>[0]) =>
  new Deadlines(ms, new Map(), () => {}, machineClock);

test('a step of a small model has the usual time', () => {
  expect(deadlinesOf().limitMs('denoising', runOf(8.6e8, 512))).toBe(300_000);
  expect(deadlinesOf().limitMs('denoising')).toBe(300_000);
});

test('a step of twelve billion weights over a large picture has more, by its work', () => {
  const limit = (side: number) => deadlinesOf().limitMs('denoising', runOf(1.7e10, side));
  // 4 operations for each weight and token, at 40 billion a second.
  expect(limit(1024)).toBeCloseTo(((4 * 1.7e10 * (4096 + 512)) / 4e10) * 1000, 0);
  expect(limit(512)).toBeLessThan(limit(1024));
});

test('so has a text encoder of billions of weights, but not a decoder', () => {
  expect(deadlinesOf().limitMs('encoding', runOf(1.7e10, 512))).toBeGreaterThan(120_000);
  expect(deadlinesOf().limitMs('decoding', runOf(1.7e10, 512))).toBe(300_000);
});

test('a time that was given holds whatever the work', () => {
  expect(deadlinesOf({ denoising: 50 }).limitMs('denoising', runOf(1.7e10, 1024))).toBe(50);
});
