import type { Clock } from './clock.ts';
import type { ApiKey } from './config.ts';
/** What the holders of a key may do. */
export interface KeyPolicy {
  /** Their part of the machine, beside the others'. */
  weight: number;
  /** Whether all who come with the key have that part together. */
  shared: boolean;
  /** The highest priority of their tasks. */
  maxPriority: number;
  /** Whether priority counts beyond their own tasks. */
  overtakes: boolean;
  /** Unfinished results, and results handed to the runtime at once; 0 sets no limit. */
  queueLimit: number;
  runLimit: number;
}
/** Knows the API keys, and counts the wrong ones by where they come from. */
export declare class Keys {
  #private;
  constructor(keys: readonly (string | ApiKey)[], clock: Clock);
  /** Whether everybody is let in. */
  get open(): boolean;
  /** The owner behind a key; undefined where the key is wrong or missing. Without keys, any key will do, and none. */
  ownerOf(apiKey: string | undefined): string | undefined;
  policyOf(owner: string): KeyPolicy;
  /**
   * Counts a wrong key. Tells whether more came from there lately than from somebody who mistypes. A right key is let in all the
   * same: behind one address there may be others than the one who guesses.
   */
  countWrong(address: string): boolean;
}
