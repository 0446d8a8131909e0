/** Milliseconds of a clock that all processes of the machine share. */
export declare function now(): number;
export interface Memory {
  rssBytes: number;
  /** With what buffers hold outside of it. */
  heapBytes: number;
}
/** @param collect - whether garbage is collected first, which takes a moment */
export declare function memoryOf({ collect }: { collect: boolean }): Promise<Memory>;
