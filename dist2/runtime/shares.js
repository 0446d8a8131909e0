/**
 * Who has had how much work, so that the next call goes to the one who has had the least for its weight: start-time fair
 * queueing (Goyal, Vin, Cheng: Start-time Fair Queuing, 1996). Whoever comes begins level with the least served, not with
 * nothing, and is served first among equals; who was ahead when it left is still ahead when it comes back soon.
 */
export class Shares {
  accounts = new Map();
  count = 0;
  /** Counts a run in; absent: a part of its own. */
  join(share = { key: `#${this.count}`, weight: 1 }) {
    const floor = this.floor();
    this.count++;
    let account = this.accounts.get(share.key);
    if (!account) {
      account = { spent: floor, weight: 1, runs: 0, fresh: true, since: 0 };
      this.accounts.set(share.key, account);
    }
    if (account.runs === 0) {
      account.spent = Math.max(account.spent, floor);
      account.fresh = true;
      account.since = this.count;
    }
    account.weight = share.weight > 0 ? share.weight : 1;
    account.runs++;
    return account;
  }
  /** Counts a run out. */
  leave(account) {
    account.runs--;
    const busy = [...this.accounts.values()].some(({ runs }) => runs > 0);
    const floor = this.floor();
    for (const [key, { runs, spent }] of this.accounts)
      if (runs === 0 && (!busy || spent <= floor)) this.accounts.delete(key);
  }
  charge(account, ms) {
    account.spent += ms / account.weight;
    account.fresh = false;
  }
  /** The least that one at work has had. */
  floor() {
    let least = Number.POSITIVE_INFINITY;
    for (const { runs, spent } of this.accounts.values()) if (runs > 0) least = Math.min(least, spent);
    return least === Number.POSITIVE_INFINITY ? 0 : least;
  }
}
/** Below 0 when `a` is to be served before `b`. */
export function bySpent(a, b) {
  return a.spent - b.spent || Number(b.fresh) - Number(a.fresh) || a.since - b.since;
}
//# sourceMappingURL=shares.js.map
