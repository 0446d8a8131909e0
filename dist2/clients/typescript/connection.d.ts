import type { WireError } from '../../protocol/errors.ts';
import type { TaskEvent } from '../../protocol/events.ts';
import { LatentwireError } from './errors.ts';
import { Stream } from './stream.ts';
/** What the connection is doing; `closed` is the last. */
export type ConnectionStatus =
  | {
      state: 'connecting';
    }
  /** `resumed`: the server still knew the session, so nothing it had to say was lost. */
  | {
      state: 'open';
      sessionUUID: string;
      resumed: boolean;
    }
  /** The link is gone and will be tried again in `delayMs`; `attempt` counts from 1. */
  | {
      state: 'reconnecting';
      attempt: number;
      delayMs: number;
      cause?: unknown;
    }
  /** Closed for good: by {@link Client.close} (no error), by a refused key, or because nothing answered. */
  | {
      state: 'closed';
      error?: LatentwireError;
    };
/** As much of the standard WebSocket as is used here; browsers, Node >= 22 and the `ws` package have it. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  send(data: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: 'open', listener: () => void): void;
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void;
  addEventListener(type: 'close', listener: (event: { code: number; reason: string }) => void): void;
  addEventListener(type: 'error', listener: (event: unknown) => void): void;
}
export type WebSocketConstructor = new (url: string) => WebSocketLike;
export interface ReconnectOptions {
  /** Wait before the first new attempt; doubles with each, less up to half at random. Milliseconds, default 250. */
  initialDelayMs?: number;
  /** The longest wait between two attempts. Milliseconds, default 10000. */
  maxDelayMs?: number;
  /** Attempts without an answer after which the connection is closed with `connectionFailed`. Default: no limit. */
  attempts?: number;
}
export interface ConnectionOptions {
  url: string;
  apiKey: string | undefined;
  reconnect: Required<ReconnectOptions> | undefined;
  waitForServer: boolean;
  pingIntervalMs: number;
  pongTimeoutMs: number;
  WebSocket: WebSocketConstructor | undefined;
}
/** What the connection tells its owner. */
export interface ConnectionListener {
  /** Authenticated, the first time or again: now is when unanswered tasks are sent. */
  opened(): void;
  answered(item: WireItem): void;
  failed(error: WireError): void;
  /** `image` is there for events that came in a binary frame. */
  happened(event: TaskEvent, image: Uint8Array | undefined): void;
  closed(error: LatentwireError | undefined): void;
}
/** One element of a `data` frame. */
export interface WireItem {
  taskType: string;
  taskUUID?: string;
  [field: string]: unknown;
}
/**
 * One lasting connection over as many sockets as it takes: authenticates, resumes the session after a loss, pings, and
 * waits longer before each new attempt. It knows nothing about tasks.
 */
export declare class Connection {
  #private;
  readonly status: Stream<ConnectionStatus>;
  state: ConnectionStatus;
  constructor(options: ConnectionOptions, listener: ConnectionListener);
  get open(): boolean;
  /** False when the connection is not open; the owner sends again in `opened`. */
  send(tasks: readonly object[]): boolean;
  /** While waiting to reconnect: do it now. */
  retryNow(): void;
  close(): void;
}
