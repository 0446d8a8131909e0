import { type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket } from 'ws';
import type { Context } from './context.ts';
/** Makes WebSockets of requests that ask for one, on any path. */
export declare class Upgrades {
  #private;
  constructor(context: Context);
  get sockets(): ReadonlySet<WebSocket>;
  close(): void;
  handle(request: IncomingMessage, socket: Duplex, head: Buffer): void;
}
