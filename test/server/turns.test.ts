import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { GenerateRequest, RunEvent, Runtime } from '../../runtime/index.ts';
import { systemClock } from '../../server/clock.ts';
import type { KeyPolicy } from '../../server/config/keys.ts';
import { type Claimant, Queue } from '../../server/queue/queue.ts';
import { Dice } from '../helpers/interleavings.ts';

/** What waits in the queue, or has been given to the runtime. */
interface Entry {
  claimant: Claimant;
  work: number;
  position: number;
  controller: AbortController;
  state: 'waiting' | 'running' | 'ended';
}

const request: GenerateRequest = {
  ...{ model: '', prompt: '', width: 8, height: 8, steps: 1, guidanceScale: 1, seed: 0n },
};
const pixels = { width: 8, height: 8, data: new Uint8Array() };
const timings = { loadingMs: 0, encodingMs: 0, denoisingMs: 0, decodingMs: 0 };

/** A queue in front of a runtime that draws one at a time, and ends what it draws when it is told to. */
class Line {
  readonly entries: Entry[] = [];
  readonly queue: Queue;
  running: Entry | undefined;
  #finish = () => {};

  constructor(policies: Record<string, Partial<KeyPolicy>>) {
    const plain = { weight: 1, shared: true, maxPriority: 9, overtakes: false, queueLimit: 0, runLimit: 0 };
    const generate = ({ prompt }: GenerateRequest, signal: AbortSignal) =>
      this.#draw(this.entries[Number(prompt)]!, signal);
    this.queue = new Queue({ generate } as unknown as Runtime, {
      ...{ clock: systemClock, limit: 1000, concurrency: 1, claimantLimit: 0, claimantRuns: 0 },
      policyOf: (owner) => ({ ...plain, ...policies[owner] }),
    });
  }

  async *#draw(entry: Entry, signal: AbortSignal): AsyncGenerator<RunEvent, void, undefined> {
    expect(this.running).toBeUndefined();
    this.running = entry;
    entry.state = 'running';
    try {
      await new Promise<void>((resolve) => {
        this.#finish = resolve;
        signal.addEventListener('abort', () => resolve());
      });
      signal.throwIfAborted();
      yield { type: 'finished', pixels, timings };
    } finally {
      this.running = undefined;
    }
  }

  add(id: string, work: number, priority = 0): void {
    const claimant: Claimant = { kind: 'session', id, owner: id };
    const controller = new AbortController();
    const entry: Entry = { claimant, work, position: -1, controller, state: 'waiting' };
    const index = this.entries.push(entry) - 1;
    const events = this.queue.run(claimant, { ...request, prompt: String(index) }, priority, work, controller.signal);
    void (async () => {
      try {
        for await (const event of events) {
          if (event.type === 'queued') entry.position = event.position;
        }
      } catch (error) {
        expect(controller.signal.aborted, String(error)).toBe(true);
      } finally {
        entry.state = 'ended';
      }
    })();
  }

  get waiting(): Entry[] {
    return this.entries.filter(({ state }) => state === 'waiting');
  }

  async finish(): Promise<void> {
    this.#finish();
    await turn();
    await turn();
  }
}

test('tells each its place: whoever is first is next, whoever else comes and goes', async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const dice = new Dice(seed);
    const ids = ['a', 'b', 'c', 'd'].slice(0, 1 + dice.below(4));
    const line = new Line(
      Object.fromEntries(ids.map((id) => [id, { weight: 1 + dice.below(3), overtakes: id === 'd' }])),
    );
    for (let move = 0; move < 60; move++) {
      const choice = dice.below(5);
      if (choice < 2) line.add(dice.of(ids)!, 1 + dice.below(20), dice.below(3));
      else if (choice === 2) dice.of(line.waiting)?.controller.abort(new Error('cancelled'));
      else {
        const first = line.waiting.find(({ position }) => position === 0);
        await line.finish();
        expect(line.running, `seed ${seed}`).toBe(first);
      }
      await turn();
      const places = line.waiting.map(({ position }) => position).sort((a, b) => a - b);
      expect(places, `seed ${seed}`).toEqual(places.map((_, index) => index));
    }
  }
});

test('moves nobody of the same session back when another one is cancelled', async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const dice = new Dice(seed);
    const line = new Line({});
    for (let index = 0; index < 12; index++) line.add('a', 1 + dice.below(20), dice.below(3));
    await turn();
    while (line.waiting.length > 0) {
      const before = new Map(line.waiting.map((entry) => [entry, entry.position]));
      dice.of(line.entries.filter(({ state }) => state !== 'ended'))!.controller.abort(new Error('cancelled'));
      await turn();
      await turn();
      for (const entry of line.waiting) expect(entry.position).toBeLessThanOrEqual(before.get(entry)!);
    }
  }
});

test('gives all who wait the same for their weight, to one run, also beside a key that overtakes', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const dice = new Dice(seed);
    const weights = Object.fromEntries(['a', 'b', 'c'].map((id) => [id, 1 + dice.below(4)]));
    const most = Object.fromEntries(Object.keys(weights).map((id) => [id, 1 + dice.below(30)]));
    const urgent = seed % 2 === 0;
    const policies = Object.fromEntries(Object.entries(weights).map(([id, weight]) => [id, { weight }]));
    const line = new Line({ ...policies, urgent: { overtakes: true } });
    const had: Record<string, number> = { a: 0, b: 0, c: 0, urgent: 0 };
    line.add('urgent', 1);
    for (const id of Object.keys(weights))
      for (let index = 0; index < 60; index++) line.add(id, 1 + dice.below(most[id]!));
    for (let served = 0; served < 60; served++) {
      if (urgent && dice.once(3)) line.add('urgent', 1 + dice.below(100), 9);
      await line.finish();
      const { claimant, work } = line.running!;
      had[claimant.id]! += work;
      // Start-time fair queueing, theorem 1: over any time in which both wait.
      for (const one of Object.keys(weights)) {
        for (const other of Object.keys(weights)) {
          const apart = had[one]! / weights[one]! - had[other]! / weights[other]!;
          const bound = most[one]! / weights[one]! + most[other]! / weights[other]!;
          expect(apart, `seed ${seed}: ${one} and ${other}`).toBeLessThanOrEqual(bound + 1e-9);
        }
      }
    }
    for (const { controller } of line.entries) controller.abort(new Error('over'));
    await turn();
  }
});
