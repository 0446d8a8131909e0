import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Gate } from '../../server/images/gate.ts';

/** Work that ends when the test says so. */
class Works {
  readonly begun: string[] = [];
  readonly #ends = new Map<string, () => void>();

  start(gate: Gate, owner: string, name: string, signal?: AbortSignal): Promise<string> {
    const work = async () => {
      this.begun.push(name);
      await new Promise<void>((resolve) => this.#ends.set(name, resolve));
      return name;
    };
    return gate.run(owner, work, signal);
  }

  async end(name: string): Promise<void> {
    this.#ends.get(name)!();
    await turn();
  }
}

test('begins no more at once than allowed, in all and for one owner', async () => {
  const gate = new Gate({ atOnce: 3, perOwner: 2 });
  const works = new Works();
  for (const name of ['a1', 'a2', 'a3', 'a4']) void works.start(gate, 'a', name);
  for (const name of ['b1', 'b2']) void works.start(gate, 'b', name);
  await turn();
  expect(works.begun).toEqual(['a1', 'a2', 'b1']);
  await works.end('a1');
  await works.end('b1');
  expect(works.begun).toHaveLength(5);
  expect(works.begun.slice(3).sort()).toEqual(['a3', 'b2']);
});

test('lets owners take turns, however much one of them has waiting', async () => {
  const gate = new Gate({ atOnce: 1, perOwner: 1 });
  const works = new Works();
  for (let each = 1; each <= 50; each++) void works.start(gate, 'greedy', `greedy ${each}`);
  void works.start(gate, 'modest', 'modest');
  await turn();
  await works.end('greedy 1');
  await works.end(works.begun[1]!);
  expect(works.begun.slice(0, 3)).toContain('modest');
});

test('forgets work whose signal is aborted while it waits', async () => {
  const gate = new Gate({ atOnce: 1, perOwner: 1 });
  const works = new Works();
  const first = works.start(gate, 'a', 'first');
  const abort = new AbortController();
  const second = works.start(gate, 'a', 'second', abort.signal);
  const third = works.start(gate, 'a', 'third');
  await turn();
  abort.abort(new Error('gone'));
  await expect(second).rejects.toThrow('gone');
  await works.end('first');
  await first;
  await works.end('third');
  expect(await third).toBe('third');
  expect(works.begun).toEqual(['first', 'third']);
});
