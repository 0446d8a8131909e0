import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A process of the benchmark's own that answers one question at a time; it ends with the benchmark, however that ends. */
export class Child implements AsyncDisposable {
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  /** Forks a compiled module of this folder and resolves with its first message. */
  static async start(module: string, args: string[] = []): Promise<{ child: Child; first: unknown }> {
    const process = fork(fileURLToPath(new URL(module, import.meta.url)), args, { serialization: 'advanced' });
    const child = new Child(process);
    return { child, first: await child.#next() };
  }

  async ask<T>(question: unknown): Promise<T> {
    const answer = this.#next();
    this.#process.send(question as object);
    return (await answer) as T;
  }

  /** Says something that has no answer. */
  tell(message: object): void {
    this.#process.send(message);
  }

  /** Hears what it says by itself; not together with `ask`. */
  listen<T>(hear: (message: T) => void): void {
    this.#process.on('message', (message) => hear(message as T));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const exited = new Promise<void>((resolve) => this.#process.once('exit', () => resolve()));
    this.#process.kill('SIGTERM');
    await exited;
  }

  #next(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const exit = (code: number | null) => reject(new Error(`a benchmark process ended with ${code}`));
      this.#process.once('exit', exit);
      this.#process.once('message', (message) => {
        this.#process.off('exit', exit);
        resolve(message);
      });
    });
  }
}
