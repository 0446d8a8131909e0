import type { TaskError } from '../protocol/errors.ts';
import type { TaskEvent } from '../protocol/events.ts';
import type { PreviewOptions } from '../protocol/previews.ts';
import type { EncodedImage } from './images/encodedImage.ts';
import type { Claimant } from './queue.ts';
import type { Answer, ResultReference } from './results.ts';
/** Where the answers to a task go: to a session, which outlives its sockets, or into the reply to one HTTP request. */
export interface Caller {
  /** Lanes go by it, and the lines of the log. */
  readonly id: string;
  /** For whom its tasks take their turns in the queue, with all else that is theirs. */
  readonly claimant: Claimant;
  /** Who may ask for, repeat and cancel a task: everybody with the same API key, or everybody where there are none. */
  readonly owner: string;
  /** What image URLs begin with, without a slash at the end. */
  readonly baseUrl: string;
  /** What tasks get that say nothing about previews. */
  readonly previews: PreviewOptions | false;
  /** Whether tasks that do not say are told about their queue, start and steps. */
  readonly progress: boolean;
  /** Whether results of asynchronous tasks are sent when they are finished, and not only to those who ask for them. */
  readonly pushes: boolean;
  /** Whether `getResponse` tells finished results of an unfinished task. */
  readonly tellsParts: boolean;
  /** One frame of results or acknowledgements, all of one task; never lost while the caller lives. */
  data(...answers: [Answer, ...Answer[]]): void;
  /** A frame with one result whose image is at hand. */
  result(result: ResultReference, image: EncodedImage): void;
  /** Errors that end a task; never lost while the caller lives. */
  fail(error: TaskError): void;
  /**
   * What is said before the result. All but `cancelled` may be replaced by a newer one of its kind, for a slow reader or
   * one that is away. `image` goes into a binary frame.
   */
  event(event: TaskEvent, image?: Uint8Array): void;
  /** Whether a result is on its way already, so that it need not be sent again. */
  holds(taskUUID: string, resultIndex: number): boolean;
  /** The answer to a task is not whole before `ended`. */
  awaits(ended: Promise<void>): void;
  /** The task has ended: events of it that still wait are untrue now. */
  forget(taskUUID: string): void;
}
