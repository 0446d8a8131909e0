import type { Part } from '../run.ts';
import { type LazyGraph, loadAll, type Needed } from './lazyGraph.ts';

/** The phases of a run, in order; each needs its own networks. */
export type Phase = 'texts' | 'imagePrompts' | 'pictures' | 'denoising' | 'decoding';

/** What a driver adds to a request. */
export interface RunOptions {
  /** Ends the wait for memory that other runs hold. Between calls the driver of the run checks it. */
  signal?: AbortSignal | undefined;
  /** What the run takes beside its networks, by an estimate; default 0. */
  workingBytes?: number | undefined;
}

export interface ResidencyOptions {
  /** Memory that the process may take; 0 is no limit. */
  limitBytes: number;
  /** Memory that the process takes now. */
  usedBytes: () => number;
}

/** No limit. */
export const unlimited: ResidencyOptions = { limitBytes: 0, usedBytes: () => 0 };

/**
 * Which networks of a process lie in memory. A network that no run holds is closed when another needs its place. Runs that
 * need more than there is wait for others to end, in the order in which they came.
 */
export class Residency {
  private readonly options: ResidencyOptions;
  /** How many runs hold each network, those held last at the end; with 0 it may be closed. */
  private readonly holders = new Map<LazyGraph, number>();
  private readonly line: object[] = [];
  private changed = signalled();

  constructor(options: ResidencyOptions) {
    this.options = options;
  }

  /** Whether networks fit beside those that runs hold, and how much is needed for them. */
  async fits(networks: readonly LazyGraph[], workingBytes: number): Promise<boolean> {
    if (this.options.limitBytes === 0) return true;
    return (await this.missing(networks, workingBytes, this.idle(networks))) <= 0;
  }

  /**
   * Holds networks for a run, which loads them afterwards. Closes what no run holds, as far as their place is needed.
   * A run must release its networks before it waits for others: only then does every wait end.
   *
   * @throws the reason of the signal when it is aborted
   */
  async hold(networks: readonly LazyGraph[], workingBytes: number, signal?: AbortSignal): Promise<void> {
    if (this.options.limitBytes === 0) return this.take(networks);
    const place = {};
    this.line.push(place);
    const aborted = signalled();
    signal?.addEventListener('abort', aborted.give, { once: true });
    try {
      for (;;) {
        signal?.throwIfAborted();
        const { changed } = this;
        // Taken before the next in line looks, which could close them.
        if (this.line[0] === place && (await this.makeRoom(networks, workingBytes))) return this.take(networks);
        await Promise.race([changed.given, aborted.given]);
      }
    } finally {
      signal?.removeEventListener('abort', aborted.give);
      this.line.splice(this.line.indexOf(place), 1);
      this.tellWaiting();
    }
  }

  private take(networks: readonly LazyGraph[]): void {
    for (const network of networks) {
      const count = this.holders.get(network) ?? 0;
      this.holders.delete(network);
      this.holders.set(network, count + 1);
    }
  }

  release(networks: readonly LazyGraph[]): void {
    for (const network of networks) this.holders.set(network, this.holders.get(network)! - 1);
    this.tellWaiting();
  }

  /** False when others have to release something first. */
  private async makeRoom(networks: readonly LazyGraph[], workingBytes: number): Promise<boolean> {
    const idle = this.idle(networks);
    const isEnough = (await this.missing(networks, workingBytes, idle)) <= 0;
    const othersHold = [...this.holders].some(([network, count]) => count > 0 && !networks.includes(network));
    if (!isEnough && othersHold) return false;
    for (const network of idle) {
      if ((await this.missing(networks, workingBytes, [])) <= 0) break;
      this.holders.delete(network);
      await network.close();
    }
    return true;
  }

  /** Networks that may be closed, the one that was held longest ago first. */
  private idle(wanted: readonly LazyGraph[]): LazyGraph[] {
    return [...this.holders]
      .filter(([network, count]) => count === 0 && network.isOpen && !wanted.includes(network))
      .map(([network]) => network);
  }

  /** Bytes that are missing for networks when others are closed; 0 or less: they fit. */
  private async missing(
    networks: readonly LazyGraph[],
    workingBytes: number,
    closed: readonly LazyGraph[],
  ): Promise<number> {
    const { limitBytes, usedBytes } = this.options;
    const promised = [...this.holders].filter(([, count]) => count > 0).map(([network]) => network);
    const loading = [...new Set([...networks, ...promised])].filter(({ isOpen }) => !isOpen);
    const bytesOf = async (some: readonly LazyGraph[]) => {
      const sizes = await Promise.all(some.map((network) => network.heldBytes().catch(() => 0)));
      return sizes.reduce((sum, size) => sum + size, 0);
    };
    return usedBytes() - (await bytesOf(closed)) + (await bytesOf(loading)) + workingBytes - limitBytes;
  }

  private tellWaiting(): void {
    const { changed } = this;
    this.changed = signalled();
    changed.give();
  }
}

/** Something that happens once. */
function signalled(): { given: Promise<void>; give: () => void } {
  let give = () => {};
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { given, give };
}

/**
 * The networks of one run: all of them in memory from the beginning to the end where they fit together, else those of one
 * phase at a time. Opening a network of 2 GB again takes seconds, where a step of such a model takes a minute.
 */
export class RunNetworks {
  private readonly residency: Residency;
  private readonly needed: Readonly<Record<Phase, readonly Needed[]>>;
  private readonly workingBytes: number;
  private readonly signal: AbortSignal | undefined;
  private together = false;
  private phase: Phase | undefined;
  private held: readonly LazyGraph[] = [];

  /** @param workingBytes - what the run takes beside its networks */
  constructor(
    residency: Residency,
    needed: Readonly<Record<Phase, readonly Needed[]>>,
    workingBytes: number,
    signal?: AbortSignal,
  ) {
    this.residency = residency;
    this.needed = needed;
    this.workingBytes = workingBytes;
    this.signal = signal;
  }

  /** Loads all networks if there is room for them. */
  async *begin(): Part<void> {
    const all = Object.values(this.needed).flat();
    this.together = await this.residency.fits(networksOf(all), this.workingBytes);
    if (this.together) yield* this.load(all);
  }

  /**
   * Loads the networks of a phase, unless they are there; those of the phase before may be closed.
   *
   * @returns whether it changed the networks
   */
  async *enter(phase: Phase): Part<boolean> {
    if (this.together || this.phase === phase || this.needed[phase].length === 0) return false;
    this.release();
    this.phase = phase;
    yield* this.load(this.needed[phase]);
    return true;
  }

  release(): void {
    this.residency.release(this.held);
    this.held = [];
  }

  private async *load(needed: readonly Needed[]): Part<void> {
    const networks = networksOf(needed);
    await this.residency.hold(networks, this.workingBytes, this.signal);
    this.held = networks;
    yield* loadAll(needed);
  }
}

function networksOf(needed: readonly Needed[]): LazyGraph[] {
  return [...new Set(needed.map(({ network }) => network))];
}
