/** Keeps the values used last, so that what is asked for again is not made again. */
export class Cache {
  entries = new Map();
  size;
  sizeOf;
  held = 0;
  /**
   * @param size - what all values together may have; the newest is kept even if it alone has more
   * @param sizeOf - what one has, such as its bytes; default 1, so that `size` is a number of values
   */
  constructor(size, sizeOf = () => 1) {
    this.size = size;
    this.sizeOf = sizeOf;
  }
  /** What all values together have. */
  get total() {
    return this.held;
  }
  get(key) {
    const value = this.entries.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }
  set(key, value) {
    // A Map keeps the order of insertion: the oldest use is first.
    this.delete(key);
    this.entries.set(key, value);
    this.held += this.sizeOf(value);
    for (const oldest of this.entries.keys()) {
      if (this.held <= this.size || oldest === key) break;
      this.delete(oldest);
    }
  }
  delete(key) {
    const value = this.entries.get(key);
    if (value === undefined) return;
    this.entries.delete(key);
    this.held -= this.sizeOf(value);
  }
}
//# sourceMappingURL=cache.js.map
