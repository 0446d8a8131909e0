/**
 * An async iterable fed by callbacks. Any number of readers may iterate it; each gets the kept values and all later
 * ones. A reader that stops early does not delay others.
 */
export class Stream<T> implements AsyncIterable<T> {
  readonly #readers = new Set<Reader<T>>();
  readonly #keep: (kept: readonly T[], value: T) => T[];
  #kept: T[] = [];
  #end: { error?: unknown } | undefined;

  /** @param keep The values for late readers after adding `value`. */
  constructor(keep: (kept: readonly T[], value: T) => T[]) {
    this.#keep = keep;
  }

  get ended(): boolean {
    return this.#end !== undefined;
  }

  push(value: T): void {
    if (this.#end) return;
    this.#kept = this.#keep(this.#kept, value);
    for (const reader of this.#readers) {
      reader.unread.push(value);
      reader.wake();
    }
  }

  /** Ends the iteration of every reader, with `error` if given. */
  end(error?: unknown): void {
    if (this.#end) return;
    this.#end = error === undefined ? {} : { error };
    for (const reader of this.#readers) reader.wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    const reader: Reader<T> = { unread: [...this.#kept], wake: () => {} };
    this.#readers.add(reader);
    try {
      for (;;) {
        while (reader.unread.length > 0) yield reader.unread.shift()!;
        if (this.#end) {
          if ('error' in this.#end) throw this.#end.error;
          return;
        }
        await new Promise<void>((resolve) => {
          reader.wake = resolve;
        });
      }
    } finally {
      this.#readers.delete(reader);
    }
  }
}

interface Reader<T> {
  unread: T[];
  wake: () => void;
}
