/**
 * An async iterable fed from callbacks. Any number of readers may iterate it; each sees what was kept before it came and
 * everything after. A reader that stops early holds nothing back.
 */
export declare class Stream<T> implements AsyncIterable<T> {
  #private;
  /** @param keep What a reader that comes late still sees, once `value` has been added. */
  constructor(keep: (kept: readonly T[], value: T) => T[]);
  get ended(): boolean;
  push(value: T): void;
  /** Ends the iteration of every reader, with `error` thrown in it where one is given. */
  end(error?: unknown): void;
  [Symbol.asyncIterator](): AsyncGenerator<T, void, undefined>;
}
