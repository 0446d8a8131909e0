/**
 * Binary frames: an image that belongs to an event, without the third that base64 adds.
 *
 *     4 bytes     header length n, unsigned, big-endian
 *     n bytes     the event, UTF-8 JSON
 *     the rest    the image, encoded as the event's `format` says
 *
 * Browsers import this file: Uint8Array and DataView only.
 */
import type { PreviewedEvent } from './events.ts';
/** Longest header that is written or read, in bytes. Events are a few hundred; more is a damaged or hostile frame. */
export declare const MAX_HEADER_BYTES = 65536;
/** A binary frame that cannot be read; the message says where it breaks. */
export declare class FrameError extends Error {
  constructor(message: string, cause?: unknown);
}
/** Puts an event and the bytes of its image into one frame. */
export declare function encodeFrame(event: PreviewedEvent, image: Uint8Array): Uint8Array<ArrayBuffer>;
/** Reads a frame. The image is a view into the frame's memory: copy it to keep it beyond the frame's buffer. */
export declare function decodeFrame(bytes: Uint8Array | ArrayBuffer): {
  event: PreviewedEvent;
  image: Uint8Array;
};
