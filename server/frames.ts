import type { TaskEvent } from '../protocol/events.ts';
import { encodeFrame } from '../protocol/frames.ts';
import { stringifyJson } from '../protocol/json.ts';
import { dataFrame, eventFrame, type ResultItem } from '../protocol/replies.ts';

/** An event that a newer one of its kind, of the same result, makes worthless. */
export type PassingEvent = Exclude<TaskEvent, { event: 'cancelled' }>;

/** A frame as a socket takes it, with the least left to do for each of its receivers. */
export interface EventFrame {
  /** The same for all that make each other worthless. */
  readonly key: string;
  readonly kind: PassingEvent['event'];
  readonly bytes: Buffer;
  readonly binary: boolean;
}

const events = new WeakMap<PassingEvent, EventFrame>();
const items = new WeakMap<ResultItem, string>();

/** The frame of an event, made once for however many receive that same event. */
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

/** The frame of results; that of a single one is made once for however many receive that same item. */
export function dataFrameOf(...given: [ResultItem, ...ResultItem[]]): string {
  const [item] = given;
  if (given.length > 1) return stringifyJson(dataFrame(...given));
  let frame = items.get(item);
  if (frame === undefined) {
    frame = stringifyJson(dataFrame(item));
    items.set(item, frame);
  }
  return frame;
}
