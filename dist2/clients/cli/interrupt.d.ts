/**
 * Runs work that Ctrl-C aborts in good order. A second Ctrl-C ends the program at once, as it would without this.
 *
 * @param said - what the program says when it was stopped so
 */
export declare function interruptible<T>(work: (signal: AbortSignal) => Promise<T>, said: string): Promise<T>;
