/** Bytes that a client without a key may send at once, if keys are set. */
export const strangerBytes = 64 * 1024;

/** The largest request, on the socket and by POST: one upload in base64 and the rest of its task. */
export function maxRequestBytes(maxUploadBytes: number): number {
  return Math.ceil(maxUploadBytes * 1.5) + 64 * 1024;
}

export interface IntakeOptions {
  /** Limit of bytes of unfinished requests. */
  maxBytes: number;
  /** The part of it for clients without a key, if keys are set. */
  maxStrangerBytes: number;
}

/**
 * Counts the bytes of incomplete requests over all connections: parts of bodies, fragments of messages. Above the limit
 * it aborts the largest request of the network with the most bytes, so large unfinished requests of one network never
 * affect the small ones of another.
 */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #open = new Set<Reading>();
  #bytes = 0;
  #strangerBytes = 0;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** Current bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Connections of a network that have not shown a key. */
  strangersOf(network: string): number {
    let count = 0;
    for (const reading of this.#open) if (reading.isStranger && reading.network === network) count++;
    return count;
  }

  /**
   * Starts counting for one request or socket; `close` it at the end.
   *
   * @param cut - aborts the request; called at most once, possibly during `add`
   */
  open(network: string, isStranger: boolean, cut: () => void): Reading {
    const reading = new Reading(network, isStranger, cut, {
      changed: (bytes, strangerBytes) => {
        this.#bytes += bytes;
        this.#strangerBytes += strangerBytes;
        if (bytes > 0) this.#cutExcess();
      },
      closed: () => this.#open.delete(reading),
    });
    this.#open.add(reading);
    return reading;
  }

  #cutExcess(): void {
    const { maxBytes, maxStrangerBytes } = this.#options;
    if (this.#strangerBytes > maxStrangerBytes) this.#cutLargest(({ isStranger }) => isStranger);
    if (this.#bytes > maxBytes) this.#cutLargest(() => true);
  }

  #cutLargest(isMeant: (reading: Reading) => boolean): void {
    const readings = [...this.#open].filter(isMeant);
    const ofNetwork = new Map<string, number>();
    for (const { network, bytes } of readings) ofNetwork.set(network, (ofNetwork.get(network) ?? 0) + bytes);
    const weight = (reading: Reading) => ofNetwork.get(reading.network)!;
    const [largest] = readings.toSorted((a, b) => weight(b) - weight(a) || b.bytes - a.bytes);
    largest?.cut();
  }
}

interface ReadingOwner {
  /** Changes the count of bytes; `strangerBytes` is the part of clients without a key. */
  changed(bytes: number, strangerBytes: number): void;
  closed(): void;
}

/** The incomplete bytes of one request or socket. */
export class Reading {
  readonly network: string;
  readonly #owner: ReadingOwner;
  readonly #cut: () => void;
  #bytes = 0;
  #isStranger: boolean;
  #isClosed = false;

  constructor(network: string, isStranger: boolean, cut: () => void, owner: ReadingOwner) {
    this.network = network;
    this.#isStranger = isStranger;
    this.#cut = cut;
    this.#owner = owner;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isStranger(): boolean {
    return this.#isStranger;
  }

  /** @param bytes - negative for bytes of a message that is complete */
  add(bytes: number): void {
    this.#set(this.#bytes + bytes);
  }

  /** Everything sent so far is complete. */
  reset(): void {
    this.#set(0);
  }

  /** The client has shown a key. */
  known(): void {
    if (this.#isStranger) this.#owner.changed(0, -this.#bytes);
    this.#isStranger = false;
  }

  /** Aborts the request. */
  cut(): void {
    if (this.#isClosed) return;
    this.close();
    this.#cut();
  }

  close(): void {
    this.#set(0);
    this.#isClosed = true;
    this.#owner.closed();
  }

  #set(bytes: number): void {
    if (this.#isClosed) return;
    const change = Math.max(0, bytes) - this.#bytes;
    this.#bytes += change;
    if (change !== 0) this.#owner.changed(change, this.#isStranger ? change : 0);
  }
}
