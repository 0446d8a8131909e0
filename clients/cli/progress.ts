import type { GenerationEvent, TaskResult } from '../typescript/index.ts';

const barWidth = 24;

/** Shows the progress of a task on stderr: one moving line on a terminal, a few plain lines elsewhere. */
export class Progress {
  readonly #count: number;
  readonly #live = process.stderr.isTTY === true;
  readonly #begun = performance.now();
  #lineShown = false;
  #warned = false;

  constructor(count: number) {
    this.#count = count;
  }

  heard(event: Exclude<GenerationEvent<TaskResult>, { event: 'result' }>): void {
    switch (event.event) {
      case 'queued':
        if (event.position > 0) this.#say(`${event.position} ahead in the queue`);
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

  wrote(name: string, result: TaskResult): void {
    const { warnings = [] } = result;
    this.#clear();
    // Each result of a task repeats its warnings.
    for (const { message } of this.#warned ? [] : warnings) process.stderr.write(`Warning: ${message}\n`);
    this.#warned ||= warnings.length > 0;
    process.stderr.write(`${'seed' in result ? `seed ${result.seed}, ` : ''}${this.#time()}\n`);
    process.stdout.write(`${name}\n`);
  }

  end(): void {
    this.#clear();
  }

  #which(resultIndex: number): string {
    return this.#count > 1 ? `${resultIndex + 1} of ${this.#count} ` : '';
  }

  #time(): string {
    return `${((performance.now() - this.#begun) / 1000).toFixed(1)} s`;
  }

  #say(words: string): void {
    if (!this.#live) {
      process.stderr.write(`${words}\n`);
      return;
    }
    process.stderr.write(`\r\x1b[K${words}`);
    this.#lineShown = true;
  }

  #clear(): void {
    if (this.#lineShown) process.stderr.write('\r\x1b[K');
    this.#lineShown = false;
  }
}

/** @param done - from 0 to 1 */
export function bar(done: number): string {
  const filled = Math.round(done * barWidth);
  return '█'.repeat(filled) + '░'.repeat(barWidth - filled);
}
