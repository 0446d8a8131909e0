import { fingerprint } from '../files/reading.ts';
import type { Clock } from './clock.ts';

/** Consecutive deaths after which files are blocked. */
const FATAL_DEATHS = 2;

/** First and maximum block time; it doubles each time. */
const FIRST_MS = 60_000;
const MOST_MS = 3_600_000;

/** Pixels that every machine should manage: if a picture of this size kills the process, the model is at fault. */
export const MODEST_PIXELS = 512 * 512;

/** Files that are blocked together until their time ends or one of them changes. */
export interface SetAside {
  /** Files of a model and the addons of the task. */
  files: readonly string[];
  /** Pictures of at least this number of pixels are blocked; 0: all. */
  fromPixels: number;
  /** Message for tasks that use them. */
  reason: string;
  /** Milliseconds until the block ends. */
  retryAfterMs: number;
}

/** A run during which the process died. */
export interface Deadly {
  files: readonly string[];
  /** Pixels of its picture; 0 if the size was irrelevant, as during loading. */
  pixels: number;
}

interface Counted {
  files: readonly string[];
  /** Pixels of the smallest fatal picture; 0 for modest sizes, where the files are at fault. */
  fromPixels: number;
  deaths: number;
  /** Number of blocks. */
  times: number;
  /** The current block; absent: none. */
  aside: { until: number; fingerprint: string; reason: string } | undefined;
}

/**
 * Blocks models that crash the process. Deaths count for all files of a run together: a ControlNet that crashes must
 * not block the model for others. Deaths during large pictures count separately and block only such sizes: they tell
 * more about the memory of the machine than about the model.
 */
export class Quarantine {
  private readonly clock: Clock;
  private readonly asideElsewhere: (run: Deadly) => boolean;
  private counted: Counted[] = [];

  /**
   * @param asideElsewhere - whether a process on another device has blocked such a run; then the first death is enough,
   * because the model is at fault and not the device
   */
  constructor(clock: Clock, asideElsewhere: (run: Deadly) => boolean = () => false) {
    this.clock = clock;
    this.asideElsewhere = asideElsewhere;
  }

  /**
   * Counts a death for the files of each run at fault, once for runs of the same files.
   *
   * @param how - how the process ended: `SIGKILL`, `exit code 1`
   * @returns the new blocks
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

  /** A picture of these files finished, so neither they nor its size are at fault. */
  survived({ files, pixels }: Deadly): void {
    this.counted = this.counted.filter((each) => !(isSubset(each.files, files) && each.fromPixels <= pixels));
  }

  /** The reason why a run is blocked, also with more files or a larger picture. Undefined if it is not. */
  against({ files, pixels }: Deadly): SetAside | undefined {
    return this.list().find((entry) => isSubset(entry.files, files) && entry.fromPixels <= pixels);
  }

  /** The current blocks. */
  list(): SetAside[] {
    const now = this.clock.now();
    return [...this.counted].flatMap((each) => {
      if (!each.aside) return [];
      const { until, reason, fingerprint: before } = each.aside;
      if (before !== fingerprint(each.files)) {
        this.counted = this.counted.filter((other) => !isSubset(other.files, each.files));
        return [];
      }
      // Its next death blocks it for twice as long; a finished picture clears its record.
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
        ? `pictures of ${counted.fromPixels} pixels and more are blocked for ${forMs / 1000} s`
        : `it is blocked for ${forMs / 1000} s, or until ${which} changes`;
    const often = counted.deaths > 1 ? `${counted.deaths} times in a row ` : '';
    const reason = `The runtime process died ${often}while running ${what}${size} (${how}); ${rest}.`;
    counted.aside = { until: this.clock.now() + forMs, fingerprint: fingerprint(files), reason };
    return [{ files, fromPixels: counted.fromPixels, reason, retryAfterMs: forMs }];
  }
}

export function isSubset(some: readonly string[], all: readonly string[]): boolean {
  return some.every((one) => all.includes(one));
}
