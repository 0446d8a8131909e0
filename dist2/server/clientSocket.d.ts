import type { WebSocket } from 'ws';
import type { Clock } from './clock.ts';
/** Bytes waiting in a socket beyond which it is given no more that can wait elsewhere: its reader counts as slow. */
export declare const slowReaderBytes: number;
/** Bytes that may wait for a reader before nothing more is read from its socket. */
export declare const fullBytes: number;
/** Closes a socket whose reader takes too little. Of the codes that are free to choose. */
export declare const slowReaderCode = 4008;
export interface ClientSocketOptions {
  clock: Clock;
  /** How long a reader may take nothing while `slowReaderBytes` wait. */
  slowReaderMs: number;
  /** The reader took nothing for that long. */
  slow: () => void;
  /** The socket was full and is not any more. */
  room: () => void;
}
/**
 * The WebSocket of one client, as the server writes to it. Everything that is sent is counted: past `maxWaiting` nothing
 * more is read from the socket, because who asks and never reads the answers would fill the memory.
 */
export declare class ClientSocket {
  #private;
  /** Bytes that may wait before nothing more is read. */
  maxWaiting: number;
  /** Bytes that wait elsewhere until this socket can take them. */
  backlog: () => number;
  /** The reader has taken something, and no more than `slowReaderBytes` wait. */
  drained: () => void;
  constructor(socket: WebSocket, options: ClientSocketOptions);
  /** Bytes that wait in the socket. */
  get waiting(): number;
  /** Whether more than `slowReaderBytes` wait. */
  get isSlow(): boolean;
  /** Whether so much waits that nothing more should be answered. */
  get isFull(): boolean;
  get isOpen(): boolean;
  send(frame: string | Buffer, binary?: boolean): void;
  ping(text: string): void;
  /** Reads nothing until `release`. */
  hold(): void;
  release(): void;
  close(code: number, reason: string): void;
  terminate(): void;
  /** Looks again at how much waits; to be called when `backlog` has changed. */
  check(): void;
}
