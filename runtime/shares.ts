/** Whose part of the machine a run takes. Runs of one key take one part together; `weight` says how large it is. */
export interface Share {
  key: string;
  /** Above 0; twice the weight is twice the work. */
  weight: number;
}

/** What one key has had. */
export interface Account {
  /** Work done for it so far, divided by its weight; comparable among those at work at the same time. */
  spent: number;
  weight: number;
  /** Runs under way. */
  runs: number;
  /** Nothing was done for it since it came. */
  fresh: boolean;
  /** Counts up; a larger one came later. */
  since: number;
}

/**
 * Who has had how much work, so that the next call goes to the one who has had the least for its weight: start-time fair
 * queueing (Goyal, Vin, Cheng: Start-time Fair Queuing, 1996). Whoever comes begins level with the least served, not with
 * nothing, and is served first among equals; who was ahead when it left is still ahead when it comes back soon.
 */
export class Shares {
  private readonly accounts = new Map<string, Account>();
  private count = 0;

  /** Counts a run in; absent: a part of its own. */
  join(share: Share = { key: `#${this.count}`, weight: 1 }): Account {
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
  leave(account: Account): void {
    account.runs--;
    const busy = [...this.accounts.values()].some(({ runs }) => runs > 0);
    const floor = this.floor();
    for (const [key, { runs, spent }] of this.accounts)
      if (runs === 0 && (!busy || spent <= floor)) this.accounts.delete(key);
  }

  charge(account: Account, ms: number): void {
    account.spent += ms / account.weight;
    account.fresh = false;
  }

  /** The least that one at work has had. */
  private floor(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const { runs, spent } of this.accounts.values()) if (runs > 0) least = Math.min(least, spent);
    return least === Number.POSITIVE_INFINITY ? 0 : least;
  }
}

/** Below 0 when `a` is to be served before `b`. */
export function bySpent(a: Account, b: Account): number {
  return a.spent - b.spent || Number(b.fresh) - Number(a.fresh) || a.since - b.since;
}
