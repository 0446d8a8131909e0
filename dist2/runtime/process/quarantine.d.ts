import type { Clock } from './clock.ts';
/** Pixels of a picture that every machine should manage: one that kills at this size is at fault itself. */
export declare const MODEST_PIXELS: number;
/** Files that are not run together until their time is over or one of them changes. */
export interface SetAside {
  /** Of a model and what the task added to it. */
  files: readonly string[];
  /** Pictures of so many pixels and more are refused; 0: all. */
  fromPixels: number;
  /** A sentence for those who ask for them. */
  reason: string;
  /** Milliseconds until they are tried again. */
  retryAfterMs: number;
}
/** A run that the process died of. */
export interface Deadly {
  files: readonly string[];
  /** Of its picture; 0 where the size had nothing to do with it, as while loading. */
  pixels: number;
}
/**
 * What is kept from bringing the process down again. Deaths are counted for all files of a run together: a ControlNet that
 * kills must not take the model away from those who do without it. Deaths under large pictures are counted apart, and lead
 * to refusing pictures of that size only: they say more about the memory of the machine than about the model.
 */
export declare class Quarantine {
  private readonly clock;
  private readonly asideElsewhere;
  private counted;
  /**
   * @param asideElsewhere - whether a process on another device has set such a run aside; then the first death is enough,
   *   because it is the model and not the device
   */
  constructor(clock: Clock, asideElsewhere?: (run: Deadly) => boolean);
  /**
   * Counts a death for the files of each run that was at fault, once for runs of the same files.
   *
   * @param how - how the process ended: `SIGKILL`, `exit code 1`
   * @returns what is set aside from now on
   */
  died(runs: readonly Deadly[], how: string): SetAside[];
  /** A picture of these files came to its end, so none of them alone was at fault, nor was its size. */
  survived({ files, pixels }: Deadly): void;
  /** Why a run is not tried; with more files added, or a larger picture, the reason still holds. Undefined when it may. */
  against({ files, pixels }: Deadly): SetAside | undefined;
  /** What is set aside now. */
  list(): SetAside[];
  private countDeath;
}
export declare function isSubset(some: readonly string[], all: readonly string[]): boolean;
