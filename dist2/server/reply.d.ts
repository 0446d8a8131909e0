import type { ServerResponse } from 'node:http';
import type { Clock } from './clock.ts';
/** How long a reader may take nothing of a reply, or of an image, before its connection is cut. */
export declare const unreadReplyMs = 30000;
/**
 * Writes a body and ends the response. No more is taken from `chunks` than the reader has room for. A reader that goes away,
 * or takes nothing for `unreadReplyMs`, ends it: `chunks` is returned, so that a file behind it is closed, and the connection
 * is cut. Never rejects; the headers are on their way, so nobody could be told.
 */
export declare function sendBody(
  response: ServerResponse,
  chunks: AsyncIterable<Buffer | string> | Iterable<Buffer | string>,
  clock: Clock,
): Promise<void>;
/** Sends a file of so many bytes, from its beginning. */
export declare function sendFile(response: ServerResponse, file: string, clock: Clock): Promise<void>;
export declare function sendJson(response: ServerResponse, status: number, body: unknown, clock: Clock): Promise<void>;
