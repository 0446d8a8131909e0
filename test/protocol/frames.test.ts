import { describe, expect, it } from 'vitest';
import type { PreviewedEvent } from '../../protocol/events.ts';
import { decodeFrame, encodeFrame, FrameError, MAX_HEADER_BYTES } from '../../protocol/frames.ts';

const event: PreviewedEvent = {
  event: 'previewed',
  taskType: 'imageInference',
  taskUUID: 'cd50ac46-3dc3-4d0d-bbb5-b4ae844c9144',
  resultIndex: 0,
  step: 3,
  steps: 20,
  width: 64,
  height: 64,
  format: 'JPG',
};
const image = Uint8Array.from({ length: 300 }, (_, index) => index % 256);

/** A frame with any bytes for a header. */
function frameOf(header: Uint8Array, claimed = header.length): Uint8Array {
  const frame = new Uint8Array(4 + header.length);
  new DataView(frame.buffer).setUint32(0, claimed);
  frame.set(header, 4);
  return frame;
}
const utf8 = (text: string) => new TextEncoder().encode(text);

describe('binary frames', () => {
  it('give back the event and the bytes', () => {
    expect(decodeFrame(encodeFrame(event, image))).toEqual({ event, image });
    expect(decodeFrame(encodeFrame(event, new Uint8Array()))).toEqual({ event, image: new Uint8Array() });
  });

  it('keep text beyond ASCII', () => {
    const odd = { ...event, taskType: 'imageInférence 🦊' };
    expect(decodeFrame(encodeFrame(odd, image)).event).toEqual(odd);
  });

  it('are read from the middle of a larger buffer, as sockets deliver them, and from an ArrayBuffer', () => {
    const frame = encodeFrame(event, image);
    const larger = new Uint8Array(frame.length + 20);
    larger.set(frame, 7);
    expect(decodeFrame(larger.subarray(7, 7 + frame.length))).toEqual({ event, image });
    expect(decodeFrame(frame.buffer)).toEqual({ event, image });
  });

  it('begin with the length of the header, big-endian', () => {
    const frame = encodeFrame(event, image);
    const length = JSON.stringify(event).length;
    expect([...frame.subarray(0, 4)]).toEqual([0, 0, length >> 8, length & 255]);
  });

  it('are refused with a clear error wherever they are cut within the header', () => {
    const frame = encodeFrame(event, image);
    const end = frame.length - image.length;
    for (let length = 0; length < end; length++) {
      expect(() => decodeFrame(frame.subarray(0, length)), `${length} bytes`).toThrow(FrameError);
    }
    expect(decodeFrame(frame.subarray(0, end)).image).toHaveLength(0);
  });

  it.each([
    ['a length beyond the frame', frameOf(utf8('{}'), 3), /claims 3 bytes, but 2 follow/],
    ['a length of four gigabytes', frameOf(utf8('{}'), 0xffff_ffff), /65536 are allowed/],
    ['an empty header', frameOf(new Uint8Array()), /not UTF-8 JSON/],
    ['broken UTF-8', frameOf(Uint8Array.of(0x22, 0xff, 0x22)), /not UTF-8 JSON/],
    ['JSON that is no event', frameOf(utf8('null')), /not a previewed event/],
    ['an event without a task', frameOf(utf8('{"event":"previewed"}')), /not a previewed event/],
    ['another event', frameOf(utf8(JSON.stringify({ ...event, event: 'stepped' }))), /not a previewed event/],
    ['a size that is no number', frameOf(utf8(JSON.stringify({ ...event, width: '64' }))), /not a previewed event/],
  ])('are refused with %s', (_name, frame, message) => {
    expect(() => decodeFrame(frame)).toThrow(FrameError);
    expect(() => decodeFrame(frame)).toThrow(message);
  });

  it('are not written with a header that no reader takes', () => {
    expect(() => encodeFrame({ ...event, taskType: 'x'.repeat(MAX_HEADER_BYTES) }, image)).toThrow(FrameError);
  });
});
