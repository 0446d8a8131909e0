import { describe, expect, it } from 'vitest';
import { errorSchema, parseJson, parseTask, stringifyJson, TaskError, tasks } from '../../protocol/index.ts';

/** mulberry32: the same values in every run, so that a failure can be looked at. */
function createRandom(seed: number) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const random = createRandom(20_261_121);
const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;

const words = [
  '',
  ' ',
  '__BLANK__',
  '__proto__',
  'none',
  'JPG',
  'jpg',
  'URL',
  'sync',
  'data:',
  'data:image/png;base64,AAAA',
  'https://example.org/a.png',
  'http://[',
  'cd50ac46-3dc3-4d0d-bbb5-b4ae844c9144',
  '\ud800',
  '🦊',
  'x'.repeat(20_000),
];
const numbers = [0, -0, -1, 1, 0.5, 64, 512, 2 ** 53, 2 ** 64, -1e300, 1e300, Number.NaN, Number.POSITIVE_INFINITY];
const bigints = [0n, -1n, 2n ** 63n, 2n ** 64n, -(2n ** 70n)];

const parameterNames = [...new Set(Object.values(tasks).flatMap(({ shape }) => Object.keys(shape)))];
const keys = [
  ...parameterNames,
  'mode',
  'checkContent',
  'guideImage',
  'weight',
  'startStep',
  'endStepPercentage',
  'top',
  'left',
  'every',
  'size',
  'format',
  '__proto__',
  'constructor',
  'toString',
  '0',
];

const plain = { taskType: 'imageInference', taskUUID: 'cd50ac46-3dc3-4d0d-bbb5-b4ae844c9144', positivePrompt: 'x' };

function anything(depth: number): unknown {
  const kind = random();
  if (kind < 0.3) return pick(words);
  if (kind < 0.5) return pick(numbers);
  if (kind < 0.55) return pick(bigints);
  if (kind < 0.65) return pick([null, true, false, undefined]);
  if (depth === 0) return pick([[], {}]);
  const length = Math.floor(random() * 5);
  if (kind < 0.8) return Array.from({ length }, () => anything(depth - 1));
  return Object.fromEntries(Array.from({ length }, () => [pick(keys), anything(depth - 1)]));
}

function anyTask(): object {
  const taskType = pick([...Object.keys(tasks), ...Object.keys(tasks), 'imageInference', 'caption', '__proto__']);
  const task: Record<string, unknown> = {
    taskType,
    taskUUID: 'cd50ac46-3dc3-4d0d-bbb5-b4ae844c9144',
    positivePrompt: 'x',
  };
  for (let count = Math.floor(random() * 4); count > 0; count--) task[pick(keys)] = anything(3);
  return task;
}

/** The parsed task, or the error a client would be sent; anything else that is thrown fails the test. */
function judge(value: unknown): 'taken' | 'refused' {
  try {
    parseTask(value);
    return 'taken';
  } catch (error) {
    if (!(error instanceof TaskError)) throw error;
    const wire = error.toWire();
    expect(errorSchema.safeParse(wire).error).toBeUndefined();
    expect(error.status).toBeGreaterThanOrEqual(400);
    // What is sent must be sendable, and short however long the task was.
    expect(stringifyJson(wire).length).toBeLessThan(4000);
    return 'refused';
  }
}

describe('parseTask', () => {
  it('throws nothing but TaskErrors, whatever it is given', () => {
    const verdicts = { taken: 0, refused: 0 };
    for (let count = 0; count < 1500; count++) verdicts[judge(anything(4))]++;
    for (let count = 0; count < 3000; count++) verdicts[judge(anyTask())]++;
    // Both paths were really walked.
    expect(verdicts.taken).toBeGreaterThan(200);
    expect(verdicts.refused).toBeGreaterThan(2000);
  });

  it('survives a value nested as deep as a frame is long, wherever it hangs', () => {
    const deep = parseJson('['.repeat(200_000) + ']'.repeat(200_000));
    for (const key of parameterNames)
      judge({ taskType: 'imageInference', taskUUID: 'x', positivePrompt: 'x', [key]: deep });
    for (const [array, key] of [
      ['lora', 'weight'],
      ['controlNet', 'guideImage'],
    ] as const) {
      judge({ ...plain, [array]: [{ model: 'a:1@1', [key]: deep }] });
    }
    for (const [outer, key] of [
      ['outpaint', 'top'],
      ['refiner', 'model'],
      ['inputs', 'maskImage'],
    ] as const) {
      expect(judge({ ...plain, [outer]: { [key]: deep } })).toBe('refused');
    }
    judge(deep);
    judge({ taskType: deep });
  });

  it('does not read arrays that are too long', () => {
    let read = 0;
    const entry = {
      get model() {
        read++;
        return 'a:1@1';
      },
    };
    for (const array of ['lora', 'lycoris', 'embeddings', 'controlNet']) {
      expect(judge({ ...plain, [array]: Array.from({ length: 10_000 }, () => entry) })).toBe('refused');
      expect(judge({ ...plain, [array]: Array.from({ length: 10_000 }, () => null) })).toBe('refused');
    }
    expect(read).toBe(0);
  });

  it('reads an array up to its first fault', () => {
    let read = 0;
    const entry = {
      get model() {
        read++;
        return 'a:1@1';
      },
      weight: 100,
    };
    expect(judge({ ...plain, lora: Array.from({ length: 16 }, () => entry) })).toBe('refused');
    expect(read).toBe(1);
  });

  it('does not let a task change prototypes', () => {
    const task = parseTask(
      JSON.parse('{"taskType":"ping","__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'),
    );
    expect(task).not.toHaveProperty('polluted');
    expect({}).not.toHaveProperty('polluted');
  });
});
