import type { GenerationEvent, ImageResult } from '../typescript/index.ts';
/** Tells on stderr how far a task is: one line that moves on a terminal, a few plain lines elsewhere. */
export declare class Progress {
  #private;
  constructor(count: number);
  heard(
    event: Exclude<
      GenerationEvent,
      {
        event: 'result';
      }
    >,
  ): void;
  wrote(name: string, { seed, warnings }: ImageResult): void;
  end(): void;
}
/** @param done - from 0 to 1 */
export declare function bar(done: number): string;
