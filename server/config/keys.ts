import { createHash, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../clock.ts';
import type { ApiKey } from './config.ts';
import { networkOf } from './proxies.ts';

/**
 * Limits of wrong keys in a time window: of one client, one customer's network, and one provider's network, see
 * `networkOf`.
 */
const guessBudgets = [
  { bits: 64, allowed: 30 },
  { bits: 48, allowed: 120 },
  { bits: 32, allowed: 600 },
];
const failureWindowMs = 60_000;
/** Maximum number of tracked networks. */
const maxNetworks = 10_000;

/** The owner of all tasks and images if no keys are set. */
const anyone = 'anyone';

/** The rights of a key. */
export interface KeyPolicy {
  /** Share of the machine relative to other keys. */
  weight: number;
  /** Whether all sessions of the key share that together. */
  shared: boolean;
  /** The highest priority of their tasks. */
  maxPriority: number;
  /** Whether its priorities also count against other keys. */
  overtakes: boolean;
  /** Limits of unfinished and of running results; 0 sets no limit. */
  queueLimit: number;
  runLimit: number;
}

const plain: KeyPolicy = { weight: 1, shared: true, maxPriority: 9, overtakes: false, queueLimit: 0, runLimit: 0 };

/** The API keys, and the count of wrong keys by network. */
export class Keys {
  readonly #digests: Buffer[];
  readonly #policies = new Map<string, KeyPolicy>();
  /** By network, oldest first. */
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

  /** Whether no key is needed. */
  get open(): boolean {
    return this.#digests.length === 0;
  }

  /** The owner of a key; undefined if the key is wrong or missing. Without keys, any key or none is valid. */
  ownerOf(apiKey: string | undefined): string | undefined {
    if (this.open) return anyone;
    // Digests have one length, so the comparison takes equal time for every key. For the same reason all keys are
    // compared.
    const given = digest(apiKey ?? '');
    let owner: string | undefined;
    for (const known of this.#digests) if (timingSafeEqual(known, given)) owner = known.toString('base64url');
    return owner;
  }

  policyOf(owner: string): KeyPolicy {
    // Without keys nothing identifies clients that belong together.
    return this.#policies.get(owner) ?? { ...plain, shared: false };
  }

  /**
   * Counts a wrong key. Returns whether there were more from its network than typing errors explain. A right key is
   * still accepted, because other clients may share the address.
   */
  countWrong(address: string): boolean {
    const now = this.#clock.now();
    let isGuessing = false;
    for (const { bits, allowed } of guessBudgets) {
      const network = `${networkOf(address, bits)}/${bits}`;
      const known = this.#failures.get(network);
      const failures = known !== undefined && known.until > now ? known : { count: 0, until: now + failureWindowMs };
      failures.count++;
      if (failures.count > allowed) isGuessing = true;
      this.#failures.delete(network);
      this.#failures.set(network, failures);
    }
    // Limits memory against an attacker with many addresses.
    for (const network of this.#failures.keys()) {
      if (this.#failures.size <= maxNetworks) break;
      this.#failures.delete(network);
    }
    return isGuessing;
  }
}

function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
