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
export declare class Shares {
  private readonly accounts;
  private count;
  /** Counts a run in; absent: a part of its own. */
  join(share?: Share): Account;
  /** Counts a run out. */
  leave(account: Account): void;
  charge(account: Account, ms: number): void;
  /** The least that one at work has had. */
  private floor;
}
/** Below 0 when `a` is to be served before `b`. */
export declare function bySpent(a: Account, b: Account): number;
