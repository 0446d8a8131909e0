import type { TaskEvent } from '../../protocol/events.ts';
import type { ImageResult, UpscaleResult } from '../../protocol/replies.ts';
import type { WireItem } from './connection.ts';
import { deferred } from './deferred.ts';
import { LatentwireError } from './errors.ts';
import { fromBase64 } from './images.ts';
import { Stream } from './stream.ts';

export type { ImageResult, UpscaleResult };

/** A result of any task. */
export type TaskResult = ImageResult | UpscaleResult;

/** A preview. Small by default (one pixel per latent): enlarge it smoothly. */
export interface Preview {
  event: 'previewed';
  taskUUID: string;
  /** Index of the result, from 0. */
  resultIndex: number;
  /** From 0; `steps` is the number of steps that run. */
  step: number;
  steps: number;
  /** Size of the preview in pixels. */
  width: number;
  height: number;
  /** An image file of type {@link mime}. */
  image: Uint8Array<ArrayBuffer>;
  mime: string;
}

/** Events of a generation, in order: queued, loading, started, stepped and previewed, and a result for each image. */
export type GenerationEvent<Result extends TaskResult = ImageResult> =
  | Exclude<TaskEvent, { event: 'previewed' }>
  | Preview
  | ({ event: 'result' } & Result);

/**
 * One task whose results are pictures. Iterate it for its events, or await {@link result}, or both. Leaving the iteration does not stop the
 * task; {@link cancel} or the signal of `generate` does.
 */
export interface Generation<Result extends TaskResult = ImageResult> extends AsyncIterable<GenerationEvent<Result>> {
  readonly taskUUID: string;
  /** The first finished image. Rejects with a {@link LatentwireError}. */
  readonly result: Promise<Result>;
  /** All images, by `resultIndex`. */
  readonly results: Promise<Result[]>;
  /**
   * Cancels the task within one step, queued or running. The iteration ends after a `cancelled` event, and missing
   * results reject with `taskCancelled`. Does nothing to a finished task.
   */
  cancel(): Promise<void>;
}

export class GenerationImpl<Result extends TaskResult> implements Generation<Result> {
  readonly taskUUID: string;
  readonly result: Promise<Result>;
  readonly results: Promise<Result[]>;
  readonly #expected: number;
  readonly #cancel: () => Promise<void>;
  readonly #finished: Result[] = [];
  readonly #events = new Stream<GenerationEvent<Result>>(keepNewestPreview);
  readonly #first = deferred<Result>();
  readonly #all = deferred<Result[]>();

  constructor(taskUUID: string, expected: number, cancel: () => Promise<void>) {
    this.taskUUID = taskUUID;
    this.#expected = expected;
    this.#cancel = cancel;
    this.result = this.#first.promise;
    this.results = this.#all.promise;
    // A caller that only iterates gets the error there; without this the process would end by an unhandled rejection.
    this.result.catch(() => {});
    this.results.catch(() => {});
  }

  [Symbol.asyncIterator](): AsyncIterator<GenerationEvent<Result>> {
    return this.#events[Symbol.asyncIterator]();
  }

  get settled(): boolean {
    return this.#events.ended;
  }

  /** Missing results. */
  get missing(): number {
    return this.#expected - this.#finished.length;
  }

  async cancel(): Promise<void> {
    if (!this.settled) await this.#cancel();
  }

  /** @returns whether it was the last result. */
  answered(item: WireItem): boolean {
    if (typeof item.imageUUID !== 'string') return false;
    // The same result may come twice: for the resumed session, and for the repeated task.
    if (this.#finished.some((earlier) => earlier.imageUUID === item.imageUUID)) return false;
    const result = item as unknown as Result;
    this.#finished.push(result);
    this.#events.push({ ...result, event: 'result' });
    this.#first.resolve(result);
    if (this.#finished.length < this.#expected) return false;
    this.#all.resolve([...this.#finished].sort((a, b) => a.resultIndex - b.resultIndex));
    this.#events.end();
    return true;
  }

  /** @returns whether it ended the task. */
  happened(event: TaskEvent, image: Uint8Array | undefined): boolean {
    if (event.event === 'previewed') {
      this.#events.push(toPreview(event, image));
      return false;
    }
    this.#events.push(event);
    if (event.event !== 'cancelled') return false;
    this.#reject(
      event.reason === 'superseded'
        ? new LatentwireError({
            code: 'taskSuperseded',
            message: 'A newer task superseded this one.',
            taskUUID: this.taskUUID,
          })
        : new LatentwireError({ code: 'taskCancelled', message: 'The task was cancelled.', taskUUID: this.taskUUID }),
    );
    this.#events.end();
    return true;
  }

  failed(error: LatentwireError): void {
    this.#reject(error);
    this.#events.end(error);
  }

  #reject(error: LatentwireError): void {
    this.#first.reject(error);
    this.#all.reject(error);
  }
}

function toPreview(event: TaskEvent & { event: 'previewed' }, image: Uint8Array | undefined): Preview {
  const { taskUUID, resultIndex, step, steps, width, height, format } = event;
  const bytes = image ? new Uint8Array(image) : fromBase64(event.imageBase64Data ?? '');
  const mime = { JPG: 'image/jpeg', PNG: 'image/png', WEBP: 'image/webp' }[format];
  return { event: 'previewed', taskUUID, resultIndex, step, steps, width, height, image: bytes, mime };
}

/** A late reader gets all earlier events, but only the newest preview of each picture. */
function keepNewestPreview<Result extends TaskResult>(
  kept: readonly GenerationEvent<Result>[],
  event: GenerationEvent<Result>,
): GenerationEvent<Result>[] {
  const older = (other: GenerationEvent<Result>) =>
    other.event === event.event &&
    (other.event === 'previewed' || other.event === 'stepped') &&
    'resultIndex' in event &&
    other.resultIndex === event.resultIndex;
  return [...kept.filter((other) => !older(other)), event];
}
