import { TaskError } from '../protocol/errors.ts';
import type { GenerateRequest, RunEvent, Runtime } from '../runtime/index.ts';
import type { Clock } from './clock.ts';
import type { KeyPolicy } from './keys.ts';
/** What a run says: where it waits, while it waits, and then what the runtime says. */
export type QueuedRunEvent =
  | {
      type: 'queued';
      position: number;
    }
  | RunEvent;
/** For whom a task runs: a session, or all HTTP requests of one address, and whose key it came with. */
export interface Claimant {
  /** What a client is told that it is. */
  readonly kind: 'session' | 'address';
  readonly id: string;
  readonly owner: string;
}
export interface QueueOptions {
  clock: Clock;
  /** Results that may wait. */
  limit: number;
  /** Results handed to the runtime at once. */
  concurrency: number;
  /** Unfinished results of one claimant; 0 sets no limit. */
  claimantLimit: number;
  /** Results of one claimant handed to the runtime at once; 0 sets no limit. */
  claimantRuns: number;
  /** `arrival`: whoever came first is next, however much it has had. Default `fair`. */
  order?: 'fair' | 'arrival';
  policyOf: (owner: string) => KeyPolicy;
}
/**
 * Orders runs before they reach the runtime. Next is a run of the claimant that has had the least denoising work for its
 * weight, so that neither many tasks nor large ones hold up everybody else. Whoever was idle begins with the clock: being
 * away saves nothing up. (Start-time fair queueing, Goyal, Vin, Cheng 1996.)
 */
export declare class Queue {
  #private;
  constructor(runtime: Runtime, options: QueueOptions);
  get waiting(): number;
  get running(): number;
  /**
   * Takes room for results, from the arrival of their task until `release`. Room is counted here and not by the runs that
   * wait, because a task may still be fetching its seed image. `freed` is the room that the task's coming will free, because
   * it supersedes another. Throws `rateLimitExceeded` beyond a limit of the claimant or of its key, `serviceUnavailable`
   * where the queue is full; one with less than its part of a full queue is let in nevertheless.
   */
  admit(claimant: Claimant, count: number, freed?: number): void;
  release(claimant: Claimant, count: number): void;
  /**
   * Adds a run; its place is taken now, not when the iteration begins, so it must be iterated. After `signal` is aborted the iteration throws
   * `signal.reason`: at once while waiting, within a step while running. Of one claimant those of higher `priority` come
   * first; before those of others only where the key's policy says so. In the order of arrival only such keys have any.
   * `work` is what its claimant is charged: see `workOf`.
   */
  run(
    claimant: Claimant,
    request: GenerateRequest,
    priority: number,
    work: number,
    signal: AbortSignal,
  ): AsyncIterable<QueuedRunEvent>;
  /** Takes no more results; those that were admitted go on. */
  close(): void;
}
/** What is told to those who come, or still wait, when the server stops. */
export declare function shuttingDown(): TaskError;
