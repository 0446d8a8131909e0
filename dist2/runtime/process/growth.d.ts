/**
 * Whether a process holds more than its weights and its usual pictures account for. onnxruntime's arenas keep what the
 * largest picture took (2.3 GB for 2048² pixels of the embedded model), and what leaks does not come back either; both end
 * with the process.
 */
export declare class Growth {
  /** Resident memory with the weights alone. */
  settledBytes: number | undefined;
  /** Of the last pictures, in all processes. */
  private readonly sizes;
  /** What each pixel takes, by the estimate, for the most demanding run of this process. */
  private pixelBytes;
  /** Another process. */
  begin(): void;
  /**
   * Weights were loaded.
   * @param beforeBytes - resident memory before; absent: nothing was told of this process before
   */
  loaded(memoryBytes: number, beforeBytes: number | undefined): void;
  finished(pixels: number, pixelBytes: number): void;
  isUnusual(usedBytes: number): boolean;
}
