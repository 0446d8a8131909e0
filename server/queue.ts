import { TaskError } from '../protocol/errors.ts';
import type { GenerateRequest, RunEvent, Runtime } from '../runtime/index.ts';

/** What a run says: where it waits, while it waits, and then what the runtime says. */
export type QueuedRunEvent = { type: 'queued'; position: number } | RunEvent;

interface Waiting {
  callerId: string;
  /** Runs that come before this one; a change is told. */
  position: number;
  wake: () => void;
  turn: boolean;
}

/**
 * Orders runs before they reach the runtime. Callers take turns, one run each, so that a batch of twenty does not hold up
 * everybody else; the runs of one caller keep their order.
 */
export class Queue {
  readonly #runtime: Runtime;
  readonly #limit: number;
  readonly #concurrency: number;
  /** Runs that wait, by caller; callers in the order of their next turn. */
  readonly #waiting = new Map<string, Waiting[]>();
  #running = 0;
  #admitted = 0;
  #closed = false;

  constructor(runtime: Runtime, options: { limit: number; concurrency: number }) {
    this.#runtime = runtime;
    this.#limit = options.limit;
    this.#concurrency = options.concurrency;
  }

  get waiting(): number {
    let count = 0;
    for (const runs of this.#waiting.values()) count += runs.length;
    return count;
  }

  get running(): number {
    return this.#running;
  }

  /**
   * Takes room for results, from the arrival of their task until `release`. Throws `serviceUnavailable` when they do not
   * fit. Room is counted here and not by the runs that wait, because a task may still be fetching its seed image.
   * `freed` is the room that the task's coming will free, because it supersedes another.
   */
  admit(count: number, freed = 0): void {
    if (this.#closed) throw shuttingDown();
    if (this.#admitted - freed + count > this.#limit + this.#concurrency) {
      throw new TaskError('serviceUnavailable', {
        message: `The queue is full: ${this.#admitted} results are unfinished, ${this.#limit} may wait. Try again later.`,
      });
    }
    this.#admitted += count;
  }

  release(count: number): void {
    this.#admitted -= count;
  }

  /**
   * Adds a run; its place is taken now, not when the iteration begins, so it must be iterated. After `signal` is aborted the iteration throws
   * `signal.reason`: at once while waiting, within a step while running.
   */
  run(callerId: string, request: GenerateRequest, signal: AbortSignal): AsyncIterable<QueuedRunEvent> {
    const entry: Waiting = { callerId, position: 0, wake: () => {}, turn: false };
    const runs = this.#waiting.get(callerId);
    if (runs === undefined) this.#waiting.set(callerId, [entry]);
    else runs.push(entry);
    this.#advance();
    return this.#drive(entry, request, signal);
  }

  /** Takes no more results; those that were admitted go on. */
  close(): void {
    this.#closed = true;
  }

  async *#drive(
    entry: Waiting,
    request: GenerateRequest,
    signal: AbortSignal,
  ): AsyncGenerator<QueuedRunEvent, void, undefined> {
    const wake = () => entry.wake();
    signal.addEventListener('abort', wake);
    try {
      // Told on arrival too when the turn comes at once, so that every task has the same beginning.
      let told = entry.position;
      yield { type: 'queued', position: told };
      while (!entry.turn) {
        signal.throwIfAborted();
        if (entry.position !== told) {
          told = entry.position;
          yield { type: 'queued', position: told };
          continue;
        }
        await new Promise<void>((resolve) => {
          entry.wake = resolve;
        });
      }
      signal.throwIfAborted();
      yield* this.#runtime.generate(request, signal);
    } finally {
      signal.removeEventListener('abort', wake);
      if (entry.turn) this.#running--;
      else this.#leave(entry);
      this.#advance();
    }
  }

  #leave(entry: Waiting): void {
    const runs = this.#waiting.get(entry.callerId)?.filter((run) => run !== entry) ?? [];
    if (runs.length === 0) this.#waiting.delete(entry.callerId);
    else this.#waiting.set(entry.callerId, runs);
  }

  #advance(): void {
    while (this.#running < this.#concurrency) {
      const [next] = this.#waiting;
      if (next === undefined) break;
      const [callerId, runs] = next;
      // To the end of the line: the next run of this caller comes after one of each of the others.
      this.#waiting.delete(callerId);
      const entry = runs.shift()!;
      if (runs.length > 0) this.#waiting.set(callerId, runs);
      this.#running++;
      entry.turn = true;
      entry.wake();
    }
    let position = 0;
    for (let round = 0, left = this.waiting; left > 0; round++) {
      for (const runs of this.#waiting.values()) {
        const entry = runs[round];
        if (entry === undefined) continue;
        left--;
        if (entry.position !== position) {
          entry.position = position;
          entry.wake();
        }
        position++;
      }
    }
  }
}

/** What is told to those who come, or still wait, when the server stops. */
export function shuttingDown(): TaskError {
  return new TaskError('serviceUnavailable', { message: 'The server is shutting down; try again in a moment.' });
}
