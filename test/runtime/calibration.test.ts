import { describe, expect, test } from 'vitest';
import { type Calibrated, Calibration } from '../../runtime/calibration.ts';
import type { Outputs, Row } from '../../runtime/run.ts';
import { floats } from '../../runtime/tensors/tensor.ts';

const row = (value: number): Row => ({ sample: floats(Float32Array.of(value), [1, 1]) });
const valuesOf = (answers: Outputs[]) => answers.map(({ sample }) => sample!.data[0]);

/** A graph that gives back what it is fed, and takes so long for so many rows, by a clock of its own. */
function graph(msOf: (rows: number) => number, changes: { off?: number; most?: number } = {}) {
  const calls: number[] = [];
  let clock = 0;
  const now = () => clock;
  const call = async (rows: readonly Row[]): Promise<Outputs[]> => {
    calls.push(rows.length);
    if (rows.length > (changes.most ?? 16)) throw new Error('There is no room for so many rows.');
    clock += msOf(rows.length);
    return rows.map(({ sample }) => ({
      sample: floats(
        (sample!.data as Float32Array).map((value) => value + (rows.length > 1 ? (changes.off ?? 0) : 0)),
        [1, 1],
      ),
    }));
  };
  return { call, calls, now };
}

/** Answers rounds of rows until nothing is left to find out. */
async function settle(
  { call, now }: ReturnType<typeof graph>,
  { waiting = 16, most = 16, exact = true } = {},
): Promise<{ found: Calibrated | undefined; calibration: Calibration }> {
  let found: Calibrated | undefined;
  const calibration = new Calibration({ most, exact, now, onSettled: (settled) => (found = settled) });
  for (let round = 0; round < 40 && !found; round++) {
    const rows = Array.from({ length: waiting }, (_, at) => row(at));
    const answers = await calibration.answer(rows, call, async () => true);
    expect(valuesOf(answers).map((value) => Math.round(value!))).toEqual(rows.map((_, at) => at));
  }
  return { found, calibration };
}

describe('the size of a batch', () => {
  test('grows as far as it pays', async () => {
    // 20 ms a row alone, 13 in twos; in fours no better.
    const costs: Record<number, number> = { 1: 20, 2: 26, 4: 56, 8: 120, 16: 300 };
    const { found, calibration } = await settle(graph((rows) => costs[rows]!));
    expect(found).toMatchObject({ rows: 2, difference: 0 });
    expect(found!.msPerRow).toEqual({ 1: 20, 2: 13, 4: 14 });
    expect([1, 2, 3, 7].map((waiting) => calibration.rowsOf(waiting))).toEqual([1, 2, 2, 2]);
    expect(calibration.msPerRow).toBeGreaterThan(12.9);
    expect(calibration.msPerRow).toBeLessThan(16);
  });

  test('is one where a second row costs as much as a call of its own, without a long search', async () => {
    const slow = graph((rows) => 2_000 * rows ** 1.1);
    expect((await settle(slow, { waiting: 2 })).found).toMatchObject({ rows: 1 });
    expect(slow.calls).toEqual([1, 1, 2]);
    // A short call is measured three times: the first one of a size is slower than those that follow.
    const short = graph((rows) => (short.calls.filter((other) => other === rows).length === 1 ? 100 : 10));
    expect((await settle(short, { waiting: 2, most: 2 })).found).toMatchObject({ rows: 2, msPerRow: { 1: 10, 2: 5 } });
  });

  test('is the largest there is where every row is free', async () => {
    expect((await settle(graph(() => 10))).found).toMatchObject({ rows: 16 });
    expect(
      (
        await settle(
          graph(() => 10),
          { most: 4 },
        )
      ).found,
    ).toMatchObject({ rows: 4 });
  });

  test('is one where rows get other bits in company, however much faster, unless that is allowed', async () => {
    const off = 2 ** -20;
    const { found, calibration } = await settle(graph(() => 10, { off }));
    expect(found).toMatchObject({ rows: 1, difference: off });
    const exactly = await calibration.answer([row(1), row(2)], graph(() => 1, { off }).call, async () => true);
    expect(valuesOf(exactly)).toEqual([1, 2]);
    const allowed = await settle(
      graph(() => 10, { off }),
      { exact: false },
    );
    expect(allowed.found).toMatchObject({ rows: 16, difference: off });
  });

  test('is what there was room for', async () => {
    const { found } = await settle(graph(() => 10, { most: 4 }));
    expect(found).toMatchObject({ rows: 4 });
  });

  test('a call that fails for one row fails', async () => {
    const calibration = new Calibration({ most: 4, exact: true });
    const answering = calibration.answer([row(1), row(2)], graph(() => 1, { most: 0 }).call, async () => true);
    await expect(answering).rejects.toThrow('no room');
  });

  test('answers that nobody wants any more are left out, between any two calls', async () => {
    const { call, calls } = graph(() => 1);
    const calibration = new Calibration({ most: 16, exact: true });
    const rows = [1, 2, 3, 4].map(row);
    expect(valuesOf(await calibration.answer(rows, call, async () => false))).toHaveLength(0);
    expect(calls).toEqual([1]);
  });

  test('that is known is not found out again', async () => {
    const { call, calls } = graph(() => 1);
    const calibration = new Calibration({ most: 16, exact: true, known: 4 });
    const answers = await calibration.answer([1, 2, 3, 4, 5, 6, 7].map(row), call, async () => true);
    expect(valuesOf(answers)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(calls).toEqual([4, 2, 1]);
  });

  test('grows no further once the process is past its memory', async () => {
    const { call, calls, now } = graph(() => 10);
    let found: Calibrated | undefined;
    const calibration = new Calibration({
      most: 16,
      exact: true,
      now,
      fits: () => !calls.includes(8),
      onSettled: (settled) => (found = settled),
    });
    const rows = Array.from({ length: 16 }, (_, at) => row(at));
    for (let round = 0; round < 10 && !found; round++) await calibration.answer(rows, call, async () => true);
    expect(found).toMatchObject({ rows: 4 });
    expect(calls.filter((size) => size === 8)).toHaveLength(1);
  });

  test('makes the first call of each size under guard', async () => {
    const { call, now } = graph((rows) => 10 * rows);
    const guarded: number[] = [];
    const calibration = new Calibration({
      most: 16,
      exact: true,
      now,
      guard: (rows, trial) => {
        guarded.push(rows);
        return trial();
      },
    });
    for (let round = 0; round < 5; round++) await calibration.answer([1, 2].map(row), call, async () => true);
    expect(guarded).toEqual([2]);
  });

  test('that is given is taken as it is', async () => {
    const { call, calls } = graph(() => 1);
    const calibration = new Calibration({ most: 16, exact: true, given: 3 });
    expect(valuesOf(await calibration.answer([1, 2, 3, 4].map(row), call, async () => true))).toEqual([1, 2, 3, 4]);
    expect(calls).toEqual([3, 1]);
  });
});
