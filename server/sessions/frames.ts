import type { TaskEvent } from '../../protocol/events.ts';
import { encodeFrame } from '../../protocol/frames.ts';
import { stringifyJson } from '../../protocol/json.ts';
import { dataFrame, eventFrame, type ResultItem } from '../../protocol/replies.ts';
import type { EncodedImage } from '../images/encodedImage.ts';
import { type Answers, itemOf, ResultReference } from '../lifecycle/results.ts';

/** An event that a newer one of its kind and result replaces. */
export type PassingEvent = Exclude<TaskEvent, { event: 'cancelled' }>;

/** A prepared frame, with the least work for each receiver. */
export interface EventFrame {
  /** The same for all events that replace each other. */
  readonly key: string;
  readonly kind: PassingEvent['event'];
  readonly bytes: Buffer;
  readonly binary: boolean;
}

const events = new WeakMap<PassingEvent, EventFrame>();
const texts = new WeakMap<ResultItem, string>();
const wholes = new WeakMap<EncodedImage, WeakMap<ResultReference, Buffer>>();

/** The frame of an event, built once for all receivers of the event. */
export function eventFrameOf(event: PassingEvent, image?: Uint8Array): EventFrame {
  let frame = events.get(event);
  if (frame === undefined) {
    const binary = image !== undefined && event.event === 'previewed';
    frame = {
      key: `${event.taskUUID} ${'resultIndex' in event ? event.resultIndex : ''} ${event.event}`,
      kind: event.event,
      bytes: binary ? Buffer.from(encodeFrame(event, image).buffer) : Buffer.from(stringifyJson(eventFrame(event))),
      binary,
    };
    events.set(event, frame);
  }
  return frame;
}

/** The frame of answers without base64; that of a single answer is built once for all its receivers. */
export function lightFrame([first, ...others]: Answers): string {
  const item = itemOf(first);
  if (others.length > 0) return stringifyJson(dataFrame(item, ...others.map(itemOf)));
  let frame = texts.get(item);
  if (frame === undefined) {
    frame = stringifyJson(dataFrame(item));
    texts.set(item, frame);
  }
  return frame;
}

/** The frame of one result with its base64, built once for all receivers of the same result and image. */
export function freshFrame(reference: ResultReference, image: EncodedImage): Buffer {
  // Keyed by the image, which is dropped soon: waiting frames refer only to the result.
  const ofImage = wholes.get(image) ?? new WeakMap<ResultReference, Buffer>();
  wholes.set(image, ofImage);
  let frame = ofImage.get(reference);
  if (frame === undefined) {
    frame = wholeFrame([reference], [image]);
    ofImage.set(reference, frame);
  }
  return frame;
}

/** The frame of answers with base64. An answer without an image has none. */
export function wholeFrame(answers: Answers, images: readonly (EncodedImage | undefined)[]): Buffer {
  // Checks the rules of a frame.
  dataFrame(itemOf(answers[0]), ...answers.slice(1).map(itemOf));
  const parts: string[] = [];
  for (const [index, answer] of answers.entries()) {
    parts.push(index === 0 ? '{"data":[' : ',');
    const image = images[index];
    const text = stringifyJson(itemOf(answer));
    if (image === undefined || !(answer instanceof ResultReference)) parts.push(text);
    else {
      // Base64 needs no escaping, so JSON.stringify need not scan megabytes of it.
      parts.push(text.slice(0, -1));
      for (const field of answer.fields) parts.push(`,"${field}":"`, answer.valueOf(field, image), '"');
      parts.push('}');
    }
  }
  parts.push(']}');
  return Buffer.concat(parts.map((part) => Buffer.from(part)));
}
