const barWidth = 24;
/** Tells on stderr how far a task is: one line that moves on a terminal, a few plain lines elsewhere. */
export class Progress {
  #count;
  #live = process.stderr.isTTY === true;
  #begun = performance.now();
  #lineShown = false;
  #warned = false;
  constructor(count) {
    this.#count = count;
  }
  heard(event) {
    switch (event.event) {
      case 'queued':
        if (event.position > 0) this.#say(`waiting for ${event.position} before this one`);
        break;
      case 'loading':
        if (this.#live) this.#say(`loading ${event.component} ${bar(event.progress / 100)} ${this.#time()}`);
        break;
      case 'started':
        if (!this.#live) this.#say(`${this.#which(event.resultIndex)}started, ${event.steps} steps`);
        break;
      case 'stepped': {
        const { step, steps, resultIndex } = event;
        if (this.#live)
          this.#say(`${this.#which(resultIndex)}${bar((step + 1) / steps)} ${step + 1}/${steps} ${this.#time()}`);
        break;
      }
    }
  }
  wrote(name, { seed, warnings = [] }) {
    this.#clear();
    // Warnings are the task's, so each of its results repeats them.
    for (const { message } of this.#warned ? [] : warnings) process.stderr.write(`Warning: ${message}\n`);
    this.#warned ||= warnings.length > 0;
    process.stderr.write(`seed ${seed}, ${this.#time()}\n`);
    process.stdout.write(`${name}\n`);
  }
  end() {
    this.#clear();
  }
  #which(resultIndex) {
    return this.#count > 1 ? `${resultIndex + 1} of ${this.#count} ` : '';
  }
  #time() {
    return `${((performance.now() - this.#begun) / 1000).toFixed(1)} s`;
  }
  #say(words) {
    if (!this.#live) {
      process.stderr.write(`${words}\n`);
      return;
    }
    process.stderr.write(`\r\x1b[K${words}`);
    this.#lineShown = true;
  }
  #clear() {
    if (this.#lineShown) process.stderr.write('\r\x1b[K');
    this.#lineShown = false;
  }
}
/** @param done - from 0 to 1 */
export function bar(done) {
  const filled = Math.round(done * barWidth);
  return '█'.repeat(filled) + '░'.repeat(barWidth - filled);
}
//# sourceMappingURL=progress.js.map
