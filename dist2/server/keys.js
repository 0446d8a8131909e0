import { createHash, timingSafeEqual } from 'node:crypto';
import { networkOf } from './proxies.js';

/** Wrong keys in a window: of one client, of one customer's network, and of one provider's, see `networkOf`. */
const guessBudgets = [
  { bits: 64, allowed: 30 },
  { bits: 48, allowed: 120 },
  { bits: 32, allowed: 600 },
];
const failureWindowMs = 60_000;
/** Networks whose wrong keys are counted at once. */
const maxNetworks = 10_000;
/** The owner of everything where no keys are set. */
const anyone = 'anyone';
const plain = { weight: 1, shared: true, maxPriority: 9, overtakes: false, queueLimit: 0, runLimit: 0 };
/** Knows the API keys, and counts the wrong ones by where they come from. */
export class Keys {
  #digests;
  #policies = new Map();
  /** By network; the oldest first. */
  #failures = new Map();
  #clock;
  constructor(keys, clock) {
    this.#clock = clock;
    this.#digests = keys.map((given) => {
      const { key, ...policy } = typeof given === 'string' ? { key: given } : given;
      const known = digest(key);
      this.#policies.set(known.toString('base64url'), { ...plain, ...policy });
      return known;
    });
  }
  /** Whether everybody is let in. */
  get open() {
    return this.#digests.length === 0;
  }
  /** The owner behind a key; undefined where the key is wrong or missing. Without keys, any key will do, and none. */
  ownerOf(apiKey) {
    if (this.open) return anyone;
    // Digests have one length, so the comparison takes as long for a key that is nearly right as for any other; all
    // keys are compared for the same reason.
    const given = digest(apiKey ?? '');
    let owner;
    for (const known of this.#digests) if (timingSafeEqual(known, given)) owner = known.toString('base64url');
    return owner;
  }
  policyOf(owner) {
    // Where everybody is let in, nothing tells who belongs together.
    return this.#policies.get(owner) ?? { ...plain, shared: false };
  }
  /**
   * Counts a wrong key. Tells whether more came from there lately than from somebody who mistypes. A right key is let in all the
   * same: behind one address there may be others than the one who guesses.
   */
  countWrong(address) {
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
    // An attacker with many addresses must not fill the memory.
    for (const network of this.#failures.keys()) {
      if (this.#failures.size <= maxNetworks) break;
      this.#failures.delete(network);
    }
    return isGuessing;
  }
}
function digest(key) {
  return createHash('sha256').update(key).digest();
}
//# sourceMappingURL=keys.js.map
