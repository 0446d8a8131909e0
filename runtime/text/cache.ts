/** Keeps the values used last, so that several results of a prompt, or the same prompt again, are encoded once. */
export class Cache<V> {
  private readonly entries = new Map<string, V>();
  private readonly size: number;

  constructor(size: number) {
    this.size = size;
  }

  get(key: string): V | undefined {
    const value = this.entries.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  set(key: string, value: V): void {
    // A Map keeps the order of insertion: the oldest use is first.
    this.entries.delete(key);
    this.entries.set(key, value);
    if (this.entries.size > this.size) {
      for (const oldest of this.entries.keys()) {
        this.entries.delete(oldest);
        break;
      }
    }
  }
}
