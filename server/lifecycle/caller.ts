import type { TaskError } from '../../protocol/errors.ts';
import type { TaskEvent } from '../../protocol/events.ts';
import type { PreviewOptions } from '../../protocol/previews.ts';
import type { EncodedImage } from '../images/encodedImage.ts';
import type { Claimant } from '../queue/queue.ts';
import type { Answer, ResultReference } from './results.ts';

/** The receiver of the answers to a task: a session, which outlives its sockets, or one HTTP request. */
export interface Caller {
  /** Identifies the caller in lanes and in the log. */
  readonly id: string;
  /** Its account in the queue. */
  readonly claimant: Claimant;
  /**
   * Owner of its tasks, who may query, repeat and cancel them: everybody with the same API key, or everybody if there
   * are no keys.
   */
  readonly owner: string;
  /** Base of image URLs, without a slash at the end. */
  readonly baseUrl: string;
  /** Default of `previews`. */
  readonly previews: PreviewOptions | false;
  /** Default of `progress`. */
  readonly progress: boolean;
  /** Whether results of asynchronous tasks are pushed. */
  readonly pushes: boolean;
  /** Whether `getResponse` returns finished results of an unfinished task. */
  readonly tellsParts: boolean;
  /** Sends one frame of results or acknowledgements of one task. Never lost while the caller exists. */
  data(...answers: [Answer, ...Answer[]]): void;
  /** Sends one result whose image is in memory. */
  result(result: ResultReference, image: EncodedImage): void;
  /** Sends errors that end a task. Never lost while the caller exists. */
  fail(error: TaskError): void;
  /**
   * Sends an event. For a slow or absent reader a newer event of its kind may replace it, except `cancelled`. `image`
   * goes into a binary frame.
   */
  event(event: TaskEvent, image?: Uint8Array): void;
  /** Whether a result is on its way and need not be sent again. */
  holds(taskUUID: string, resultIndex: number): boolean;
  /** The answer to a task is incomplete until `ended`. */
  awaits(ended: Promise<void>): void;
  /** The task has ended: its waiting events are obsolete. */
  forget(taskUUID: string): void;
}
