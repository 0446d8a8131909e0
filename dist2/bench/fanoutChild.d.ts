/** What both senders of the fan-out benchmark are asked, and how they answer. */
import type { PreviewedEvent } from '../protocol/events.ts';
import { type Memory } from './process.ts';
/** `next` makes one frame for all sockets and has no answer. */
export type FanoutQuestion =
  | {
      type: 'next';
    }
  | {
      type: 'measure';
      collectGarbage: boolean;
    };
export interface FanoutMeasure extends Memory {
  /** Of the process so far. */
  cpuMs: number;
  /** When the frame of each step was made, on the clock of process.ts, since the last measure. */
  madeAt: Map<number, number>;
}
/** Answers the questions; `next` makes a frame, `madeAt` is what was written down about frames. */
export declare function answerQuestions({ next, madeAt }: { next: () => void; madeAt: Map<number, number> }): void;
/** The event of a frame as the server writes it. */
export declare function previewedEvent(taskUUID: string, step: number): PreviewedEvent;
