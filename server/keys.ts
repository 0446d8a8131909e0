import { createHash, timingSafeEqual } from 'node:crypto';
import type { Clock } from './clock.ts';
import type { ApiKey } from './config.ts';

const failuresAllowed = 30;
const failureWindowMs = 60_000;

/** The owner of everything where no keys are set. */
const anyone = 'anyone';

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

const plain: KeyPolicy = { weight: 1, shared: true, maxPriority: 9, overtakes: false, queueLimit: 0, runLimit: 0 };

/** Knows the API keys, and the addresses that guess at them. */
export class Keys {
  readonly #digests: Buffer[];
  readonly #policies = new Map<string, KeyPolicy>();
  readonly #failures = new Map<string, { count: number; until: number }>();

  readonly #clock: Clock;

  constructor(keys: readonly (string | ApiKey)[], clock: Clock) {
    this.#clock = clock;
    this.#digests = keys.map((given) => {
      const { key, ...policy } = typeof given === 'string' ? { key: given } : given;
      const known = digest(key);
      this.#policies.set(known.toString('base64url'), { ...plain, ...policy });
      return known;
    });
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

  policyOf(owner: string): KeyPolicy {
    // Where everybody is let in, nothing tells who belongs together.
    return this.#policies.get(owner) ?? { ...plain, shared: false };
  }

  /** Whether an address has sent so many wrong keys lately that it is not listened to for a while. */
  refuses(address: string): boolean {
    const failures = this.#failures.get(address);
    return failures !== undefined && failures.until > this.#clock.now() && failures.count >= failuresAllowed;
  }

  #count(address: string): void {
    const now = this.#clock.now();
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
