/** Keeps the values used last, so that what is asked for again is not made again. */
export declare class Cache<V> {
  private readonly entries;
  private readonly size;
  private readonly sizeOf;
  private held;
  /**
   * @param size - what all values together may have; the newest is kept even if it alone has more
   * @param sizeOf - what one has, such as its bytes; default 1, so that `size` is a number of values
   */
  constructor(size: number, sizeOf?: (value: V) => number);
  /** What all values together have. */
  get total(): number;
  get(key: string): V | undefined;
  set(key: string, value: V): void;
  delete(key: string): void;
}
