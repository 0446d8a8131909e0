import type { TaskEvent } from '../protocol/events.ts';
import type { EncodedImage } from './images/encodedImage.ts';
import { type Answers, ResultReference } from './results.ts';
/** An event that a newer one of its kind, of the same result, makes worthless. */
export type PassingEvent = Exclude<
  TaskEvent,
  {
    event: 'cancelled';
  }
>;
/** A frame as a socket takes it, with the least left to do for each of its receivers. */
export interface EventFrame {
  /** The same for all that make each other worthless. */
  readonly key: string;
  readonly kind: PassingEvent['event'];
  readonly bytes: Buffer;
  readonly binary: boolean;
}
/** The frame of an event, made once for however many receive that same event. */
export declare function eventFrameOf(event: PassingEvent, image?: Uint8Array): EventFrame;
/** The frame of answers without base64; that of a single one is made once for however many receive that same answer. */
export declare function lightFrame([first, ...others]: Answers): string;
/** The frame of one result with its base64, made once for however many receive that same result with that same image. */
export declare function freshFrame(reference: ResultReference, image: EncodedImage): Buffer;
/** The frame of answers with their base64. One whose image is undefined goes without. */
export declare function wholeFrame(answers: Answers, images: readonly (EncodedImage | undefined)[]): Buffer;
