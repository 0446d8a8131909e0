import { setImmediate as turn } from 'node:timers/promises';
import type { Clock, Timer } from '../../server/clock.ts';

interface Waiting {
  at: number;
  everyMs: number | undefined;
  run: () => void;
}

/** A clock that stands still until `advance` is called. It begins at the real time, or at `startMs`. */
export class ManualClock implements Clock {
  #now: number;
  readonly #waiting = new Set<Waiting>();

  constructor(startMs = Date.now()) {
    this.#now = startMs;
  }

  now(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): Timer {
    return this.#wait({ at: this.#now + ms, everyMs: undefined, run });
  }

  every(ms: number, run: () => void): Timer {
    return this.#wait({ at: this.#now + ms, everyMs: ms, run });
  }

  /** How many timers wait. */
  get timers(): number {
    return this.#waiting.size;
  }

  /** Lets `ms` milliseconds pass: fires what is due in its order, and gives the event loop a turn after each. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      const due = [...this.#waiting].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#now = Math.max(this.#now, due.at);
      if (due.everyMs === undefined) this.#waiting.delete(due);
      else due.at += Math.max(1, due.everyMs);
      due.run();
      await turn();
    }
    this.#now = until;
    await turn();
  }

  #wait(waiting: Waiting): Timer {
    this.#waiting.add(waiting);
    return { cancel: () => void this.#waiting.delete(waiting) };
  }
}
