import type { RunEvent } from '../messages.ts';
/** Events of one run between the process's messages and the reader of `generate`; ends or fails once. */
export declare class Inbox implements AsyncIterable<RunEvent> {
  private readonly events;
  private end;
  private wake;
  get ended(): boolean;
  push(event: RunEvent): void;
  /** Drops unread events. */
  clear(): void;
  /** Ends the iteration after the events that wait to be read. */
  close(): void;
  /**
   * Makes the iteration throw; events that wait to be read are dropped, since they no longer matter.
   *
   * @param last - is read before that: how far the run came
   */
  fail(error: unknown, last?: RunEvent): void;
  [Symbol.asyncIterator](): AsyncGenerator<RunEvent, void, undefined>;
}
