import { expect, test } from 'vitest';
import { type Account, bySpent, Shares } from '../../runtime/shares.ts';

/** Serves whoever is owed most, so many times, at these costs; counts who was. */
function serve(shares: Shares, parts: Record<string, Account>, times: number, costOf: (name: string) => number) {
  const served = Object.fromEntries(Object.keys(parts).map((name) => [name, 0]));
  for (let i = 0; i < times; i++) {
    const [name, part] = Object.entries(parts).sort(([, a], [, b]) => bySpent(a, b))[0]!;
    shares.charge(part, costOf(name));
    served[name]!++;
  }
  return served;
}

test('work is shared, not turns: whoever costs four times as much comes a quarter as often', () => {
  const shares = new Shares();
  const parts = { large: shares.join({ key: 'large', weight: 1 }), small: shares.join({ key: 'small', weight: 1 }) };
  expect(serve(shares, parts, 100, (name) => (name === 'large' ? 40 : 10))).toEqual({ large: 20, small: 80 });
});

test('a weight of three is three times the work', () => {
  const shares = new Shares();
  const parts = { one: shares.join({ key: 'one', weight: 1 }), three: shares.join({ key: 'three', weight: 3 }) };
  expect(serve(shares, parts, 100, () => 10)).toEqual({ one: 25, three: 75 });
});

test('runs of one key have one share together; runs without a key one each', () => {
  const shares = new Shares();
  const [first, second] = [shares.join({ key: 'greedy', weight: 1 }), shares.join({ key: 'greedy', weight: 1 })];
  expect(second).toBe(first);
  expect(shares.join()).not.toBe(shares.join());
});

test('whoever comes begins level with the least served, and first among equals', () => {
  const shares = new Shares();
  const [a, b] = [shares.join(), shares.join()];
  shares.charge(a, 100);
  shares.charge(b, 90);
  const c = shares.join();
  expect(c.spent).toBe(90);
  expect([a, b, c].sort(bySpent)).toEqual([c, b, a]);
  const d = shares.join();
  // Of two that came, the one that came first.
  expect([a, b, d, c].sort(bySpent)).toEqual([c, d, b, a]);
});

test('whoever was ahead when it left is still ahead when it comes back, as long as the others have not caught up', () => {
  const shares = new Shares();
  const other = shares.join({ key: 'other', weight: 1 });
  const left = shares.join({ key: 'left', weight: 1 });
  shares.charge(left, 100);
  shares.leave(left);
  const back = shares.join({ key: 'left', weight: 1 });
  expect(back.spent).toBe(100);
  shares.leave(back);
  shares.charge(other, 150);
  expect(shares.join({ key: 'left', weight: 1 }).spent).toBe(150);
});

test('nothing is held of those who are gone', () => {
  const shares = new Shares();
  const stays = shares.join();
  for (let i = 0; i < 1_000; i++) {
    const part = shares.join();
    shares.charge(part, 1);
    shares.leave(part);
    shares.charge(stays, 1);
  }
  shares.leave(stays);
  const later = shares.join();
  expect(later.spent).toBe(0);
});
