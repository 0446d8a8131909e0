import { createHash, timingSafeEqual } from 'node:crypto';

const failuresAllowed = 30;
const failureWindowMs = 60_000;

/** The owner of everything where no keys are set. */
const anyone = 'anyone';

/** Knows the API keys, and the addresses that guess at them. */
export class Keys {
  readonly #digests: Buffer[];
  readonly #failures = new Map<string, { count: number; until: number }>();

  constructor(keys: readonly string[]) {
    this.#digests = keys.map(digest);
  }

  /** Whether everybody is let in. */
  get open(): boolean {
    return this.#digests.length === 0;
  }

  /** The owner behind a key; undefined where the key is wrong or missing. Without keys, any key will do, and none. */
  ownerOf(apiKey: string | undefined, address: string): string | undefined {
    if (this.open) return anyone;
    // Digests have one length, so the comparison takes as long for a key that is nearly right as for any other; all
    // keys are compared for the same reason.
    const given = digest(apiKey ?? '');
    let owner: string | undefined;
    for (const known of this.#digests) if (timingSafeEqual(known, given)) owner = known.toString('base64url');
    if (owner === undefined && apiKey !== undefined) this.#count(address);
    return owner;
  }

  /** Whether an address has sent so many wrong keys lately that it is not listened to for a while. */
  refuses(address: string): boolean {
    const failures = this.#failures.get(address);
    return failures !== undefined && failures.until > Date.now() && failures.count >= failuresAllowed;
  }

  #count(address: string): void {
    const now = Date.now();
    // Entries of others that are over; an attacker with many addresses must not fill the memory.
    if (this.#failures.size > 1000) {
      for (const [key, { until }] of this.#failures) if (until <= now) this.#failures.delete(key);
    }
    const failures = this.#failures.get(address);
    if (failures === undefined || failures.until <= now) {
      this.#failures.set(address, { count: 1, until: now + failureWindowMs });
    } else failures.count++;
  }
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
