/** Events of one run between the process's messages and the reader of `generate`; ends or fails once. */
export class Inbox {
  events = [];
  end;
  wake;
  get ended() {
    return this.end !== undefined;
  }
  push(event) {
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
  clear() {
    this.events.length = 0;
  }
  /** Ends the iteration after the events that wait to be read. */
  close() {
    this.end ??= {};
    this.wake?.();
  }
  /**
   * Makes the iteration throw; events that wait to be read are dropped, since they no longer matter.
   *
   * @param last - is read before that: how far the run came
   */
  fail(error, last) {
    if (this.end) return;
    this.end = { error };
    this.events.length = 0;
    if (last) this.events.push(last);
    this.wake?.();
  }
  async *[Symbol.asyncIterator]() {
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
      await new Promise((resolve) => {
        this.wake = resolve;
      });
    }
  }
}
//# sourceMappingURL=inbox.js.map
