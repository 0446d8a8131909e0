/** A promise settled from outside; `Promise.withResolvers` came after Node 20. */
export declare function deferred<T>(): {
  promise: Promise<T>;
  resolve(value: T): void;
  reject(reason: unknown): void;
};
