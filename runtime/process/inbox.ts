import type { RunEvent } from '../messages.ts';

/** Queue of the events of one run between the process and the reader of `generate`; ends or fails once. */
export class Inbox implements AsyncIterable<RunEvent> {
  private readonly events: RunEvent[] = [];
  private end: { error?: unknown } | undefined;
  private wake: (() => void) | undefined;

  get ended(): boolean {
    return this.end !== undefined;
  }

  push(event: RunEvent): void {
    if (this.end) return;
    // The newest preview replaces an unread one; everything else is kept, and is small.
    if (event.type === 'previewed') {
      const unread = this.events.findIndex((other) => other.type === 'previewed');
      if (unread >= 0) this.events.splice(unread, 1);
    }
    this.events.push(event);
    this.wake?.();
  }

  /** Drops unread events. */
  clear(): void {
    this.events.length = 0;
  }

  /** Ends the iteration after the unread events. */
  close(): void {
    this.end ??= {};
    this.wake?.();
  }

  /**
   * Makes the iteration throw; drops unread events.
   *
   * @param last - an event to read before that: the progress of the run
   */
  fail(error: unknown, last?: RunEvent): void {
    if (this.end) return;
    this.end = { error };
    this.events.length = 0;
    if (last) this.events.push(last);
    this.wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<RunEvent, void, undefined> {
    for (;;) {
      const event = this.events.shift();
      if (event) {
        yield event;
        continue;
      }
      if (this.end) {
        if ('error' in this.end) throw this.end.error;
        return;
      }
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }
}
