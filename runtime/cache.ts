/** A cache of the most recently used values. */
export class Cache<V> {
  private readonly entries = new Map<string, V>();
  private readonly size: number;
  private readonly sizeOf: (value: V) => number;
  private held = 0;

  /**
   * @param size - total size of all values; the newest is kept even if it alone exceeds that
   * @param sizeOf - size of a value, such as its bytes; default 1, so that `size` is a number of values
   */
  constructor(size: number, sizeOf: (value: V) => number = () => 1) {
    this.size = size;
    this.sizeOf = sizeOf;
  }

  /** Total size of all values. */
  get total(): number {
    return this.held;
  }

  get(key: string): V | undefined {
    const value = this.entries.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  set(key: string, value: V): void {
    // A Map keeps insertion order: the least recently used is first.
    this.delete(key);
    this.entries.set(key, value);
    this.held += this.sizeOf(value);
    for (const oldest of this.entries.keys()) {
      if (this.held <= this.size || oldest === key) break;
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    const value = this.entries.get(key);
    if (value === undefined) return;
    this.entries.delete(key);
    this.held -= this.sizeOf(value);
  }
}
