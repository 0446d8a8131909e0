export interface GateOptions {
  /** Concurrent jobs of all owners together. */
  atOnce: number;
  /** Concurrent jobs of one owner. */
  perOwner: number;
}

interface Waiting {
  begin: () => void;
}

/**
 * Limits concurrent work of one kind. Owners take turns, so the work of one delays another only by the jobs already
 * running.
 */
export class Gate {
  readonly #options: GateOptions;
  /** The owner of the next turn comes first. */
  readonly #waiting = new Map<string, Waiting[]>();
  readonly #running = new Map<string, number>();
  #total = 0;

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** Runs `work` at its turn. Rejects with the reason of `signal` if that is aborted before. */
  async run<T>(owner: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#turn(owner, signal);
    try {
      return await work();
    } finally {
      this.#count(owner, -1);
      this.#advance();
    }
  }

  #turn(owner: string, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const waiting: Waiting = {
        begin: () => {
          signal?.removeEventListener('abort', leave);
          resolve();
        },
      };
      const leave = () => {
        this.#remove(owner, waiting);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', leave, { once: true });
      const queue = this.#waiting.get(owner);
      if (queue === undefined) this.#waiting.set(owner, [waiting]);
      else queue.push(waiting);
      this.#advance();
    });
  }

  #advance(): void {
    const { atOnce, perOwner } = this.#options;
    while (this.#total < atOnce) {
      const owner = [...this.#waiting.keys()].find((each) => (this.#running.get(each) ?? 0) < perOwner);
      if (owner === undefined) return;
      const [next] = this.#waiting.get(owner)!;
      this.#remove(owner, next!);
      // Moves to the end of the round.
      const rest = this.#waiting.get(owner);
      if (rest !== undefined && this.#waiting.delete(owner)) this.#waiting.set(owner, rest);
      this.#count(owner, 1);
      next!.begin();
    }
  }

  #remove(owner: string, waiting: Waiting): void {
    const left = this.#waiting.get(owner)?.filter((each) => each !== waiting) ?? [];
    if (left.length === 0) this.#waiting.delete(owner);
    else this.#waiting.set(owner, left);
  }

  #count(owner: string, change: 1 | -1): void {
    this.#total += change;
    const count = (this.#running.get(owner) ?? 0) + change;
    if (count === 0) this.#running.delete(owner);
    else this.#running.set(owner, count);
  }
}
