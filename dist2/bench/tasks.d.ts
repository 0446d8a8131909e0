/** Numbers from 0 up to 1, the same for the same seed (mulberry32, by Tommy Ettinger). */
export declare function seeded(seed: number): () => number;
export type Random = () => number;
export declare function pick<T>(random: Random, from: readonly T[]): T;
/** Prompts differ from task to task, as people's do, so that text is encoded each time. */
export declare function promptOf(n: number): string;
export interface MixedTask extends Record<string, unknown> {
  positivePrompt: string;
  width: number;
  height: number;
  steps: number;
  seed: number;
}
/** A task of some size and number of steps, as many people together ask for. */
export declare function mixedTask(random: Random): MixedTask;
/** Denoising work: steps × megapixels. Of guided tasks, as all here are. */
export declare function workOf({ width, height, steps }: Pick<MixedTask, 'width' | 'height' | 'steps'>): number;
