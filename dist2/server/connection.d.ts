import type { IncomingMessage } from 'node:http';
import type { WebSocket } from 'ws';
import type { Context } from './context.ts';
/** Serves one open socket until it closes: reads tasks, and gives each to its handler on behalf of the session. */
export declare function serveConnection(
  socket: WebSocket,
  request: IncomingMessage,
  context: Context,
  onKnown?: () => void,
): void;
