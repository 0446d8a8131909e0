import { createReadStream } from 'node:fs';
import { stringifyJson } from '../protocol/json.js';
/** How long a reader may take nothing of a reply, or of an image, before its connection is cut. */
export const unreadReplyMs = 30_000;
/** Bytes that are given to a connection at a time: with `unreadReplyMs` the least speed of a reader. */
const chunkBytes = 64 * 1024;
/**
 * Writes a body and ends the response. No more is taken from `chunks` than the reader has room for. A reader that goes away,
 * or takes nothing for `unreadReplyMs`, ends it: `chunks` is returned, so that a file behind it is closed, and the connection
 * is cut. Never rejects; the headers are on their way, so nobody could be told.
 */
export async function sendBody(response, chunks, clock) {
  try {
    for await (const chunk of chunks) {
      for (const part of partsOf(chunk)) {
        if (response.destroyed) return;
        if (!response.write(part)) await within(response, 'drain', clock);
      }
    }
    const finished = within(response, 'finish', clock);
    response.end();
    await finished;
  } catch {
    response.destroy();
  }
}
/** Sends a file of so many bytes, from its beginning. */
export async function sendFile(response, file, clock) {
  await sendBody(response, createReadStream(file, { highWaterMark: chunkBytes }), clock);
}
export async function sendJson(response, status, body, clock) {
  const text = Buffer.from(stringifyJson(body));
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': text.byteLength,
  });
  await sendBody(response, [text], clock);
}
function* partsOf(chunk) {
  const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
  for (let at = 0; at < bytes.byteLength; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}
/** Settles with the event; rejects when the response closes before, or when the reader has taken too long. */
function within(response, event, clock) {
  return new Promise((resolve, reject) => {
    const settle = (done) => () => {
      response.off(event, onEvent).off('close', onClose);
      timer.cancel();
      done();
    };
    const onEvent = settle(resolve);
    const onClose = settle(() => reject(new Error('The reader has gone.')));
    const late = settle(() => reject(new Error('The reader takes nothing.')));
    // A reply to a pipelined request has no socket before its turn, and nobody is slow until then.
    const wait = () =>
      clock.after(unreadReplyMs, () => {
        if (response.socket === null) timer = wait();
        else late();
      });
    let timer = wait();
    response.once(event, onEvent).once('close', onClose);
    if (response.destroyed) onClose();
  });
}
//# sourceMappingURL=reply.js.map
