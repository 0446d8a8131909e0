import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
/** A process of the benchmark's own that answers one question at a time; it ends with the benchmark, however that ends. */
export class Child {
  #process;
  constructor(process) {
    this.#process = process;
  }
  /** Forks a compiled module of this folder and resolves with its first message. */
  static async start(module, args = []) {
    const process = fork(fileURLToPath(new URL(module, import.meta.url)), args, { serialization: 'advanced' });
    const child = new Child(process);
    return { child, first: await child.#next() };
  }
  async ask(question) {
    const answer = this.#next();
    this.#process.send(question);
    return await answer;
  }
  /** Says something that has no answer. */
  tell(message) {
    this.#process.send(message);
  }
  /** Hears what it says by itself; not together with `ask`. */
  listen(hear) {
    this.#process.on('message', (message) => hear(message));
  }
  async [Symbol.asyncDispose]() {
    if (this.#process.exitCode !== null) return;
    const exited = new Promise((resolve) => this.#process.once('exit', () => resolve()));
    this.#process.kill('SIGTERM');
    await exited;
  }
  #next() {
    return new Promise((resolve, reject) => {
      const exit = (code) => reject(new Error(`a benchmark process ended with ${code}`));
      this.#process.once('exit', exit);
      this.#process.once('message', (message) => {
        this.#process.off('exit', exit);
        resolve(message);
      });
    });
  }
}
//# sourceMappingURL=child.js.map
