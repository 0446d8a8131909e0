import { MODEST_PIXELS } from './quarantine.ts';

/** Tolerated growth beyond the usual: caches, the JavaScript heap, fragmentation. */
const SLACK_BYTES = 256 * 2 ** 20;

/** Number of pictures that define the usual size. */
const REMEMBERED = 16;

/**
 * Detects a process that has more memory than its weights and usual pictures need. onnxruntime's arenas keep the memory
 * of the largest picture (2.3 GB for 2048² pixels of the embedded model), and leaks are not freed either, until the
 * process ends.
 */
export class Growth {
  /** Resident memory with the weights alone. */
  settledBytes: number | undefined;
  /** Pixels of the last pictures of all processes. */
  private readonly sizes: number[] = new Array(REMEMBERED).fill(MODEST_PIXELS);
  /** Estimated bytes per pixel of the most demanding run of this process. */
  private pixelBytes = 0;

  /** A new process. */
  begin(): void {
    this.settledBytes = undefined;
    this.pixelBytes = 0;
  }

  /**
   * Weights were loaded.
   * @param beforeBytes - resident memory before; absent: unknown
   */
  loaded(memoryBytes: number, beforeBytes: number | undefined): void {
    const added = Math.max(0, memoryBytes - (beforeBytes ?? 0));
    this.settledBytes = (this.settledBytes ?? 0) + added;
  }

  finished(pixels: number, pixelBytes: number): void {
    this.sizes.push(pixels);
    this.sizes.shift();
    this.pixelBytes = Math.max(this.pixelBytes, pixelBytes);
  }

  isUnusual(usedBytes: number): boolean {
    if (this.settledBytes === undefined) return false;
    const usual = this.sizes.toSorted((a, b) => a - b)[REMEMBERED / 2]!;
    return usedBytes > this.settledBytes + this.pixelBytes * usual + SLACK_BYTES;
  }
}
