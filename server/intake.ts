/** Bytes that one who has not shown a key may send at a time, where keys are set. */
export const strangerBytes = 64 * 1024;

/** The largest request, on the socket and by POST: one upload in base64 and some room for the rest of its task. */
export function maxRequestBytes(maxUploadBytes: number): number {
  return Math.ceil(maxUploadBytes * 1.5) + 64 * 1024;
}

export interface IntakeOptions {
  /** Bytes of unfinished requests that are held at once. */
  maxBytes: number;
  /** The part of them for those who have not shown a key, where keys are set. */
  maxStrangerBytes: number;
}

/**
 * Counts the bytes of requests that are not complete yet, over all connections: parts of a body, fragments of a message.
 * Where they exceed what may be held, the request is cut that is the largest of the network that holds most, so that many
 * large unfinished requests from one place never cost another its small one.
 */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #open = new Set<Reading>();
  #bytes = 0;
  #strangerBytes = 0;

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** Bytes held at the moment. */
  get bytes(): number {
    return this.#bytes;
  }

  /** How many connections of a network have not shown a key. */
  strangersOf(network: string): number {
    let count = 0;
    for (const reading of this.#open) if (reading.isStranger && reading.network === network) count++;
    return count;
  }

  /**
   * Begins to count for one request or one socket. `close` it in the end.
   *
   * @param cut - ends the request; called at most once, also while `add` is under way
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
  /** The bytes that are held have become so many more, or fewer; those of strangers by so many of them. */
  changed(bytes: number, strangerBytes: number): void;
  closed(): void;
}

/** What one request or socket has sent of something that is not complete. */
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

  /** @param bytes - negative for what turned out to be complete */
  add(bytes: number): void {
    this.#set(this.#bytes + bytes);
  }

  /** All that was sent is complete. */
  reset(): void {
    this.#set(0);
  }

  /** The client has shown a key. */
  known(): void {
    if (this.#isStranger) this.#owner.changed(0, -this.#bytes);
    this.#isStranger = false;
  }

  /** Gives up on the request. */
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
