import { createReadStream } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { stringifyJson } from '../../protocol/json.ts';
import type { Clock } from '../clock.ts';

/** How long a reader may read nothing of a reply or image before its connection is aborted. */
export const unreadReplyMs = 30_000;
/** Bytes written at once; with `unreadReplyMs` this defines the minimum speed of a reader. */
const chunkBytes = 64 * 1024;

/**
 * Writes a body with back-pressure and ends the response. If the reader disconnects, or reads nothing for
 * `unreadReplyMs`, `chunks` is returned, which closes a file behind it, and the connection is aborted. Never rejects,
 * because the headers have been sent.
 */
export async function sendBody(
  response: ServerResponse,
  chunks: AsyncIterable<Buffer | string> | Iterable<Buffer | string>,
  clock: Clock,
): Promise<void> {
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

/** Sends the first bytes of a file. */
export async function sendFile(response: ServerResponse, file: string, clock: Clock): Promise<void> {
  await sendBody(response, createReadStream(file, { highWaterMark: chunkBytes }), clock);
}

export async function sendJson(response: ServerResponse, status: number, body: unknown, clock: Clock): Promise<void> {
  const text = Buffer.from(stringifyJson(body));
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': text.byteLength,
  });
  await sendBody(response, [text], clock);
}

function* partsOf(chunk: Buffer | string): Iterable<Buffer> {
  const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
  for (let at = 0; at < bytes.byteLength; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
}

/** Resolves with the event; rejects if the response closes before, or the reader takes too long. */
function within(response: ServerResponse, event: 'drain' | 'finish', clock: Clock): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (done: () => void) => () => {
      response.off(event, onEvent).off('close', onClose);
      timer.cancel();
      done();
    };
    const onEvent = settle(resolve);
    const onClose = settle(() => reject(new Error('The reader disconnected.')));
    const late = settle(() => reject(new Error('The reader reads nothing.')));
    // A reply to a pipelined request has no socket before its turn, and no reader to wait for.
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
