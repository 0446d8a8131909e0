/**
 * An async iterable fed from callbacks. Any number of readers may iterate it; each sees what was kept before it came and
 * everything after. A reader that stops early holds nothing back.
 */
export class Stream {
  #readers = new Set();
  #keep;
  #kept = [];
  #end;
  /** @param keep What a reader that comes late still sees, once `value` has been added. */
  constructor(keep) {
    this.#keep = keep;
  }
  get ended() {
    return this.#end !== undefined;
  }
  push(value) {
    if (this.#end) return;
    this.#kept = this.#keep(this.#kept, value);
    for (const reader of this.#readers) {
      reader.unread.push(value);
      reader.wake();
    }
  }
  /** Ends the iteration of every reader, with `error` thrown in it where one is given. */
  end(error) {
    if (this.#end) return;
    this.#end = error === undefined ? {} : { error };
    for (const reader of this.#readers) reader.wake();
  }
  async *[Symbol.asyncIterator]() {
    const reader = { unread: [...this.#kept], wake: () => {} };
    this.#readers.add(reader);
    try {
      for (;;) {
        while (reader.unread.length > 0) yield reader.unread.shift();
        if (this.#end) {
          if ('error' in this.#end) throw this.#end.error;
          return;
        }
        await new Promise((resolve) => {
          reader.wake = resolve;
        });
      }
    } finally {
      this.#readers.delete(reader);
    }
  }
}
//# sourceMappingURL=stream.js.map
