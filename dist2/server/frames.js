import { encodeFrame } from '../protocol/frames.js';
import { stringifyJson } from '../protocol/json.js';
import { dataFrame, eventFrame } from '../protocol/replies.js';
import { itemOf, ResultReference } from './results.js';

const events = new WeakMap();
const texts = new WeakMap();
const wholes = new WeakMap();
/** The frame of an event, made once for however many receive that same event. */
export function eventFrameOf(event, image) {
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
/** The frame of answers without base64; that of a single one is made once for however many receive that same answer. */
export function lightFrame([first, ...others]) {
  const item = itemOf(first);
  if (others.length > 0) return stringifyJson(dataFrame(item, ...others.map(itemOf)));
  let frame = texts.get(item);
  if (frame === undefined) {
    frame = stringifyJson(dataFrame(item));
    texts.set(item, frame);
  }
  return frame;
}
/** The frame of one result with its base64, made once for however many receive that same result with that same image. */
export function freshFrame(reference, image) {
  // Keyed by the image first, because it is dropped soon: what waits for a client refers to the result alone.
  const ofImage = wholes.get(image) ?? new WeakMap();
  wholes.set(image, ofImage);
  let frame = ofImage.get(reference);
  if (frame === undefined) {
    frame = wholeFrame([reference], [image]);
    ofImage.set(reference, frame);
  }
  return frame;
}
/** The frame of answers with their base64. One whose image is undefined goes without. */
export function wholeFrame(answers, images) {
  // Checks the rules of such a frame.
  dataFrame(itemOf(answers[0]), ...answers.slice(1).map(itemOf));
  const parts = [];
  for (const [index, answer] of answers.entries()) {
    parts.push(index === 0 ? '{"data":[' : ',');
    const image = images[index];
    const text = stringifyJson(itemOf(answer));
    if (image === undefined || !(answer instanceof ResultReference)) parts.push(text);
    else {
      // Base64 needs no escaping, so JSON.stringify need not look through megabytes of it.
      parts.push(text.slice(0, -1));
      for (const field of answer.fields) parts.push(`,"${field}":"`, answer.valueOf(field, image), '"');
      parts.push('}');
    }
  }
  parts.push(']}');
  return Buffer.concat(parts.map((part) => Buffer.from(part)));
}
//# sourceMappingURL=frames.js.map
