/**
 * Binary frames: an image that belongs to an event, without the third that base64 adds.
 *
 *     4 bytes     header length n, unsigned, big-endian
 *     n bytes     the event, UTF-8 JSON
 *     the rest    the image, encoded as the event's `format` says
 *
 * Browsers import this file: Uint8Array and DataView only.
 */
/** Longest header that is written or read, in bytes. Events are a few hundred; more is a damaged or hostile frame. */
export const MAX_HEADER_BYTES = 65_536;
const LENGTH_BYTES = 4;
/** A binary frame that cannot be read; the message says where it breaks. */
export class FrameError extends Error {
  constructor(message, cause) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'FrameError';
  }
}
/** Puts an event and the bytes of its image into one frame. */
export function encodeFrame(event, image) {
  const header = new TextEncoder().encode(JSON.stringify(event));
  if (header.length > MAX_HEADER_BYTES) {
    throw new FrameError(`The header has ${header.length} bytes, ${MAX_HEADER_BYTES} are allowed.`);
  }
  const frame = new Uint8Array(LENGTH_BYTES + header.length + image.length);
  new DataView(frame.buffer).setUint32(0, header.length);
  frame.set(header, LENGTH_BYTES);
  frame.set(image, LENGTH_BYTES + header.length);
  return frame;
}
/** Reads a frame. The image is a view into the frame's memory: copy it to keep it beyond the frame's buffer. */
export function decodeFrame(bytes) {
  const frame = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  if (frame.length < LENGTH_BYTES) {
    throw new FrameError(`The frame has ${frame.length} bytes, its header length alone needs ${LENGTH_BYTES}.`);
  }
  const length = new DataView(frame.buffer, frame.byteOffset, frame.byteLength).getUint32(0);
  if (length > MAX_HEADER_BYTES) {
    throw new FrameError(`The header claims ${length} bytes, ${MAX_HEADER_BYTES} are allowed.`);
  }
  if (LENGTH_BYTES + length > frame.length) {
    throw new FrameError(`The header claims ${length} bytes, but ${frame.length - LENGTH_BYTES} follow.`);
  }
  const end = LENGTH_BYTES + length;
  return { event: readHeader(frame.subarray(LENGTH_BYTES, end)), image: frame.subarray(end) };
}
function readHeader(bytes) {
  let header;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new FrameError('The header is not UTF-8 JSON.', cause);
  }
  if (!isPreviewed(header)) {
    throw new FrameError('The header is not a previewed event with taskUUID, step, width, height and format.');
  }
  return header;
}
function isPreviewed(value) {
  if (typeof value !== 'object' || value === null) return false;
  const { event, taskType, taskUUID, format, ...rest } = value;
  return (
    event === 'previewed' &&
    typeof taskType === 'string' &&
    typeof taskUUID === 'string' &&
    typeof format === 'string' &&
    ['resultIndex', 'step', 'steps', 'width', 'height'].every((key) => typeof rest[key] === 'number')
  );
}
//# sourceMappingURL=frames.js.map
