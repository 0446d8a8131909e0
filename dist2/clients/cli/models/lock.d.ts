/**
 * Does `work` while no other process of this program does so in the same models folder. A lock whose process is gone is
 * taken over.
 *
 * @throws a sentence where another process holds the lock for too long
 */
export declare function locked<T>(modelsDir: string, work: () => Promise<T>): Promise<T>;
