export interface GateOptions {
  /** How much may be under way at once, for all owners together. */
  atOnce: number;
  /** How much of that for one owner. */
  perOwner: number;
}
/**
 * Bounds how much of one kind of work is under way. Owners take turns, so that the much work of one never holds up the little
 * of another for longer than what has begun.
 */
export declare class Gate {
  #private;
  constructor(options: GateOptions);
  /** Does `work` when its turn has come. Rejects with the reason of `signal` where that is aborted before. */
  run<T>(owner: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}
