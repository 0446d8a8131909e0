import type { TaskEvent } from '../../protocol/events.ts';
import type { ImageResult } from '../../protocol/replies.ts';
import type { WireItem } from './connection.ts';
import { LatentwireError } from './errors.ts';

export type { ImageResult };
/** A look at the picture before it is finished. Small by default (a pixel a latent): enlarge it, smoothly. */
export interface Preview {
  event: 'previewed';
  taskUUID: string;
  /** Which of the task's results, from 0. */
  resultIndex: number;
  /** From 0; `steps` is how many are really run. */
  step: number;
  steps: number;
  /** Of the preview, in pixels. */
  width: number;
  height: number;
  /** An image file of type {@link mime}. */
  image: Uint8Array<ArrayBuffer>;
  mime: string;
}
/** What a generation says, in order: queued, loading, started, stepped and previewed, and a result for each image asked for. */
export type GenerationEvent =
  | Exclude<
      TaskEvent,
      {
        event: 'previewed';
      }
    >
  | Preview
  | ({
      event: 'result';
    } & ImageResult);
/**
 * One image task on its way. Iterate it for its events, or await {@link result}; both may be done, and leaving the
 * iteration does not stop the task: {@link cancel} does, or the signal given to `generate`.
 */
export interface Generation extends AsyncIterable<GenerationEvent> {
  readonly taskUUID: string;
  /** The image that is finished first; of a task for one image, that one. Rejects with a {@link LatentwireError}. */
  readonly result: Promise<ImageResult>;
  /** Every image, by its `resultIndex`. */
  readonly results: Promise<ImageResult[]>;
  /**
   * Stops the task within one step, queued or running. The iteration ends after a `cancelled` event, and results that are
   * not there yet reject with `taskCancelled`. Does nothing to a finished task.
   */
  cancel(): Promise<void>;
}
export declare class GenerationImpl implements Generation {
  #private;
  readonly taskUUID: string;
  readonly result: Promise<ImageResult>;
  readonly results: Promise<ImageResult[]>;
  constructor(taskUUID: string, expected: number, cancel: () => Promise<void>);
  [Symbol.asyncIterator](): AsyncIterator<GenerationEvent>;
  get settled(): boolean;
  /** Results that are not here yet. */
  get missing(): number;
  cancel(): Promise<void>;
  /** @returns whether that was the last result. */
  answered(item: WireItem): boolean;
  /** @returns whether that ended the task. */
  happened(event: TaskEvent, image: Uint8Array | undefined): boolean;
  failed(error: LatentwireError): void;
}
