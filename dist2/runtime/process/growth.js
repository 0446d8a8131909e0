import { MODEST_PIXELS } from './quarantine.js';

/** Growth beyond the usual work that is left alone: caches, the heap of JavaScript, fragments. */
const SLACK_BYTES = 256 * 2 ** 20;
/** Pictures by which the usual size is told. */
const REMEMBERED = 16;
/**
 * Whether a process holds more than its weights and its usual pictures account for. onnxruntime's arenas keep what the
 * largest picture took (2.3 GB for 2048² pixels of the embedded model), and what leaks does not come back either; both end
 * with the process.
 */
export class Growth {
  /** Resident memory with the weights alone. */
  settledBytes;
  /** Of the last pictures, in all processes. */
  sizes = new Array(REMEMBERED).fill(MODEST_PIXELS);
  /** What each pixel takes, by the estimate, for the most demanding run of this process. */
  pixelBytes = 0;
  /** Another process. */
  begin() {
    this.settledBytes = undefined;
    this.pixelBytes = 0;
  }
  /**
   * Weights were loaded.
   * @param beforeBytes - resident memory before; absent: nothing was told of this process before
   */
  loaded(memoryBytes, beforeBytes) {
    const added = Math.max(0, memoryBytes - (beforeBytes ?? 0));
    this.settledBytes = (this.settledBytes ?? 0) + added;
  }
  finished(pixels, pixelBytes) {
    this.sizes.push(pixels);
    this.sizes.shift();
    this.pixelBytes = Math.max(this.pixelBytes, pixelBytes);
  }
  isUnusual(usedBytes) {
    if (this.settledBytes === undefined) return false;
    const usual = this.sizes.toSorted((a, b) => a - b)[REMEMBERED / 2];
    return usedBytes > this.settledBytes + this.pixelBytes * usual + SLACK_BYTES;
  }
}
//# sourceMappingURL=growth.js.map
