import { fingerprint } from '../files/reading.ts';
import type { Clock } from './clock.ts';

/** Deaths in a row that set files aside. */
const FATAL_DEATHS = 2;

/** How long files are set aside the first time, and at most; each time doubles it. */
const FIRST_MS = 60_000;
const MOST_MS = 3_600_000;

/** Pixels of a picture that every machine should manage: one that kills at this size is at fault itself. */
export const MODEST_PIXELS = 512 * 512;

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

interface Counted {
  files: readonly string[];
  /** Of the smallest picture that killed; 0 for modest ones, which blame the files themselves. */
  fromPixels: number;
  deaths: number;
  /** Times it was set aside. */
  times: number;
  /** Since when, and until when; absent: it is not set aside. */
  aside: { until: number; fingerprint: string; reason: string } | undefined;
}

/**
 * What is kept from bringing the process down again. Deaths are counted for all files of a run together: a ControlNet that
 * kills must not take the model away from those who do without it. Deaths under large pictures are counted apart, and lead
 * to refusing pictures of that size only: they say more about the memory of the machine than about the model.
 */
export class Quarantine {
  private readonly clock: Clock;
  private readonly asideElsewhere: (run: Deadly) => boolean;
  private counted: Counted[] = [];

  /**
   * @param asideElsewhere - whether a process on another device has set such a run aside; then the first death is enough,
   *   because it is the model and not the device
   */
  constructor(clock: Clock, asideElsewhere: (run: Deadly) => boolean = () => false) {
    this.clock = clock;
    this.asideElsewhere = asideElsewhere;
  }

  /**
   * Counts a death for the files of each run that was at fault, once for runs of the same files.
   *
   * @param how - how the process ended: `SIGKILL`, `exit code 1`
   * @returns what is set aside from now on
   */
  died(runs: readonly Deadly[], how: string): SetAside[] {
    const sets = new Map<string, Deadly>();
    for (const { files, pixels } of runs) {
      const fromPixels = pixels <= MODEST_PIXELS ? 0 : pixels;
      const key = [...files.toSorted(), fromPixels > 0].join('\n');
      const before = sets.get(key)?.pixels ?? Number.POSITIVE_INFINITY;
      sets.set(key, { files, pixels: Math.min(before, fromPixels) });
    }
    return [...sets.values()].flatMap((run) => this.countDeath(run, how));
  }

  /** A picture of these files came to its end, so none of them alone was at fault, nor was its size. */
  survived({ files, pixels }: Deadly): void {
    this.counted = this.counted.filter((each) => !(isSubset(each.files, files) && each.fromPixels <= pixels));
  }

  /** Why a run is not tried; with more files added, or a larger picture, the reason still holds. Undefined when it may. */
  against({ files, pixels }: Deadly): SetAside | undefined {
    return this.list().find((entry) => isSubset(entry.files, files) && entry.fromPixels <= pixels);
  }

  /** What is set aside now. */
  list(): SetAside[] {
    const now = this.clock.now();
    return [...this.counted].flatMap((each) => {
      if (!each.aside) return [];
      const { until, reason, fingerprint: before } = each.aside;
      if (before !== fingerprint(each.files)) {
        this.counted = this.counted.filter((other) => !isSubset(other.files, each.files));
        return [];
      }
      // Its next death sets it aside again, for twice as long; a picture that ends clears its record.
      if (until <= now) {
        each.aside = undefined;
        return [];
      }
      const { files, fromPixels } = each;
      return [{ files, fromPixels, reason, retryAfterMs: Math.ceil(until - now) }];
    });
  }

  private countDeath({ files, pixels }: Deadly, how: string): SetAside[] {
    let counted = this.counted.find(
      (each) => isSubset(each.files, files) && isSubset(files, each.files) && each.fromPixels > 0 === pixels > 0,
    );
    if (!counted) {
      counted = { files, fromPixels: pixels, deaths: 0, times: 0, aside: undefined };
      this.counted.push(counted);
    }
    counted.fromPixels = Math.min(counted.fromPixels, pixels);
    counted.deaths++;
    if (counted.deaths < FATAL_DEATHS && !this.asideElsewhere({ files, pixels })) return [];
    const forMs = Math.min(FIRST_MS * 2 ** counted.times, MOST_MS);
    counted.times++;
    const what = files.length > 1 ? 'this model with the same parts' : 'this model';
    const which = files.length > 1 ? 'one of their files' : 'it';
    const size = pixels > 0 ? ' for a large picture' : '';
    const rest =
      pixels > 0
        ? `pictures of ${counted.fromPixels} pixels and more are not tried for ${forMs / 1000} s, smaller ones are`
        : `it is tried again after ${forMs / 1000} s, or when ${which} changes`;
    const often = counted.deaths > 1 ? `${counted.deaths} times in a row ` : '';
    const reason = `The runtime process died ${often}while running ${what}${size} (${how}); ${rest}.`;
    counted.aside = { until: this.clock.now() + forMs, fingerprint: fingerprint(files), reason };
    return [{ files, fromPixels: counted.fromPixels, reason, retryAfterMs: forMs }];
  }
}

export function isSubset(some: readonly string[], all: readonly string[]): boolean {
  return some.every((one) => all.includes(one));
}
