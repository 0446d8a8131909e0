/** Bytes that one who has not shown a key may send at a time, where keys are set. */
export const strangerBytes = 64 * 1024;
/** The largest request, on the socket and by POST: one upload in base64 and some room for the rest of its task. */
export function maxRequestBytes(maxUploadBytes) {
  return Math.ceil(maxUploadBytes * 1.5) + 64 * 1024;
}
/**
 * Counts the bytes of requests that are not complete yet, over all connections: parts of a body, fragments of a message.
 * Where they exceed what may be held, the request is cut that is the largest of the network that holds most, so that many
 * large unfinished requests from one place never cost another its small one.
 */
export class Intake {
  #options;
  #open = new Set();
  #bytes = 0;
  #strangerBytes = 0;
  constructor(options) {
    this.#options = options;
  }
  /** Bytes held at the moment. */
  get bytes() {
    return this.#bytes;
  }
  /** How many connections of a network have not shown a key. */
  strangersOf(network) {
    let count = 0;
    for (const reading of this.#open) if (reading.isStranger && reading.network === network) count++;
    return count;
  }
  /**
   * Begins to count for one request or one socket. `close` it in the end.
   *
   * @param cut - ends the request; called at most once, also while `add` is under way
   */
  open(network, isStranger, cut) {
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
  #cutExcess() {
    const { maxBytes, maxStrangerBytes } = this.#options;
    if (this.#strangerBytes > maxStrangerBytes) this.#cutLargest(({ isStranger }) => isStranger);
    if (this.#bytes > maxBytes) this.#cutLargest(() => true);
  }
  #cutLargest(isMeant) {
    const readings = [...this.#open].filter(isMeant);
    const ofNetwork = new Map();
    for (const { network, bytes } of readings) ofNetwork.set(network, (ofNetwork.get(network) ?? 0) + bytes);
    const weight = (reading) => ofNetwork.get(reading.network);
    const [largest] = readings.toSorted((a, b) => weight(b) - weight(a) || b.bytes - a.bytes);
    largest?.cut();
  }
}
/** What one request or socket has sent of something that is not complete. */
export class Reading {
  network;
  #owner;
  #cut;
  #bytes = 0;
  #isStranger;
  #isClosed = false;
  constructor(network, isStranger, cut, owner) {
    this.network = network;
    this.#isStranger = isStranger;
    this.#cut = cut;
    this.#owner = owner;
  }
  get bytes() {
    return this.#bytes;
  }
  get isStranger() {
    return this.#isStranger;
  }
  /** @param bytes - negative for what turned out to be complete */
  add(bytes) {
    this.#set(this.#bytes + bytes);
  }
  /** All that was sent is complete. */
  reset() {
    this.#set(0);
  }
  /** The client has shown a key. */
  known() {
    if (this.#isStranger) this.#owner.changed(0, -this.#bytes);
    this.#isStranger = false;
  }
  /** Gives up on the request. */
  cut() {
    if (this.#isClosed) return;
    this.close();
    this.#cut();
  }
  close() {
    this.#set(0);
    this.#isClosed = true;
    this.#owner.closed();
  }
  #set(bytes) {
    if (this.#isClosed) return;
    const change = Math.max(0, bytes) - this.#bytes;
    this.#bytes += change;
    if (change !== 0) this.#owner.changed(change, this.#isStranger ? change : 0);
  }
}
//# sourceMappingURL=intake.js.map
