/**
 * Bounds how much of one kind of work is under way. Owners take turns, so that the much work of one never holds up the little
 * of another for longer than what has begun.
 */
export class Gate {
  #options;
  /** The owner whose turn is next comes first. */
  #waiting = new Map();
  #running = new Map();
  #total = 0;
  constructor(options) {
    this.#options = options;
  }
  /** Does `work` when its turn has come. Rejects with the reason of `signal` where that is aborted before. */
  async run(owner, work, signal) {
    await this.#turn(owner, signal);
    try {
      return await work();
    } finally {
      this.#count(owner, -1);
      this.#advance();
    }
  }
  #turn(owner, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const waiting = {
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
  #advance() {
    const { atOnce, perOwner } = this.#options;
    while (this.#total < atOnce) {
      const owner = [...this.#waiting.keys()].find((each) => (this.#running.get(each) ?? 0) < perOwner);
      if (owner === undefined) return;
      const [next] = this.#waiting.get(owner);
      this.#remove(owner, next);
      // To the end of the round.
      const rest = this.#waiting.get(owner);
      if (rest !== undefined && this.#waiting.delete(owner)) this.#waiting.set(owner, rest);
      this.#count(owner, 1);
      next.begin();
    }
  }
  #remove(owner, waiting) {
    const left = this.#waiting.get(owner)?.filter((each) => each !== waiting) ?? [];
    if (left.length === 0) this.#waiting.delete(owner);
    else this.#waiting.set(owner, left);
  }
  #count(owner, change) {
    this.#total += change;
    const count = (this.#running.get(owner) ?? 0) + change;
    if (count === 0) this.#running.delete(owner);
    else this.#running.set(owner, count);
  }
}
//# sourceMappingURL=gate.js.map
