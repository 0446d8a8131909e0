/** A process of the benchmark's own that answers one question at a time; it ends with the benchmark, however that ends. */
export declare class Child implements AsyncDisposable {
  #private;
  private constructor();
  /** Forks a compiled module of this folder and resolves with its first message. */
  static start(
    module: string,
    args?: string[],
  ): Promise<{
    child: Child;
    first: unknown;
  }>;
  ask<T>(question: unknown): Promise<T>;
  /** Says something that has no answer. */
  tell(message: object): void;
  /** Hears what it says by itself; not together with `ask`. */
  listen<T>(hear: (message: T) => void): void;
  [Symbol.asyncDispose](): Promise<void>;
}
