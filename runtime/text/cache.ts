/** Keeps the values used last, so that several results of a prompt, or the same prompt again, are encoded once. */
export class Cache<V> {
  private readonly entries = new Map<string, V>();
  private readonly size: number;

  constructor(size: number) {
    this.size = size;
  }

  /** The value of `key`, made now if it is not held. A `make` that throws leaves nothing behind. */
  async get(key: string, make: () => Promise<V>): Promise<V> {
    const held = this.entries.get(key);
    const value = held ?? (await make());
    // A Map keeps the order of insertion: the oldest use is first.
    this.entries.delete(key);
    this.entries.set(key, value);
    if (this.entries.size > this.size) {
      for (const oldest of this.entries.keys()) {
        this.entries.delete(oldest);
        break;
      }
    }
    return value;
  }
}
