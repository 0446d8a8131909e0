import { fingerprint } from '../checkpoints/files.ts';

/** Deaths in a row that set files aside. */
const FATAL_DEATHS = 2;

/** Files that are not run together until one of them changes. */
export interface SetAside {
  /** Of a model and what the task added to it. */
  files: readonly string[];
  /** A sentence for those who ask for them. */
  reason: string;
}

/**
 * Which models are kept from bringing the process down again. Deaths are counted for all files of a run together: a
 * ControlNet that kills must not take the model away from those who do without it.
 */
export class Quarantine {
  /** Deaths of the process in a row, by the files that were running. */
  private deaths: { files: readonly string[]; count: number }[] = [];
  private entries: (SetAside & { fingerprint: string })[] = [];

  /**
   * Counts a death for the files of each run that was at fault, once for runs of the same files.
   *
   * @param how - how the process ended: `SIGKILL`, `exit code 1`
   * @returns what is set aside from now on
   */
  died(runs: readonly { files: readonly string[] }[], how: string): SetAside[] {
    const sets = new Map(runs.map(({ files }) => [files.toSorted().join('\n'), files]));
    return [...sets.values()].flatMap((files) => this.countDeath(files, how));
  }

  /** A run of these files came to its end, so none of them alone was at fault. */
  survived(files: readonly string[]): void {
    this.deaths = this.deaths.filter((counted) => !isSubset(counted.files, files));
  }

  /** Why files are not run together; with more files added the reason still holds. Undefined when they may. */
  reasonAgainst(files: readonly string[]): string | undefined {
    return this.list().find((entry) => isSubset(entry.files, files))?.reason;
  }

  /** What is set aside now. */
  list(): SetAside[] {
    for (const entry of [...this.entries]) {
      if (entry.fingerprint === fingerprint(entry.files)) continue;
      this.entries = this.entries.filter((other) => other !== entry);
      this.deaths = this.deaths.filter((counted) => !isSubset(counted.files, entry.files));
    }
    return this.entries.map(({ files, reason }) => ({ files, reason }));
  }

  private countDeath(files: readonly string[], how: string): SetAside[] {
    let deaths = this.deaths.find((counted) => isSubset(counted.files, files) && isSubset(files, counted.files));
    if (!deaths) {
      deaths = { files, count: 0 };
      this.deaths.push(deaths);
    }
    if (++deaths.count < FATAL_DEATHS) return [];
    const what = files.length > 1 ? 'this model with the same parts' : 'this model';
    const which = files.length > 1 ? 'one of their files' : 'it';
    const reason =
      `The runtime process died ${deaths.count} times in a row while running ${what} ` +
      `(${how}); it is tried again when ${which} changes.`;
    this.entries.push({ files, fingerprint: fingerprint(files), reason });
    return [{ files, reason }];
  }
}

export function isSubset(some: readonly string[], all: readonly string[]): boolean {
  return some.every((one) => all.includes(one));
}
