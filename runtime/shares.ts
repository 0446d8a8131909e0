/** The share of a run. Runs of one key share one part; `weight` is its size. */
export interface Share {
  key: string;
  /** Above 0; twice the weight is twice the work. */
  weight: number;
}

/** The account of one key. */
export interface Account {
  /** Its work so far, divided by its weight; comparable among active shares. */
  spent: number;
  weight: number;
  /** Live runs. */
  runs: number;
  /** It has had no work since it arrived. */
  fresh: boolean;
  /** Order of arrival. */
  since: number;
}

/**
 * Counts the work of shares, so that the next call goes to the share with the least for its weight: start-time fair
 * queueing (Goyal, Vin, Cheng: Start-time Fair Queuing, 1996). A new share starts level with the least served one and
 * is first among equals. A share that was ahead when it left is still ahead when it returns soon.
 */
export class Shares {
  private readonly accounts = new Map<string, Account>();
  private count = 0;

  /** Adds a run; absent: with a separate share. */
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

  /** Removes a run. */
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

  /** The least work of an active share. */
  private floor(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const { runs, spent } of this.accounts.values()) if (runs > 0) least = Math.min(least, spent);
    return least === Number.POSITIVE_INFINITY ? 0 : least;
  }
}

/** Below 0 if `a` is next before `b`. */
export function bySpent(a: Account, b: Account): number {
  return a.spent - b.spent || Number(b.fresh) - Number(a.fresh) || a.since - b.since;
}
