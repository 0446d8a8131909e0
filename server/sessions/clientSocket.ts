import type { WebSocket } from 'ws';
import type { Clock, Timer } from '../clock.ts';

/** Above this number of waiting bytes a reader counts as slow, and its socket gets nothing that can wait elsewhere. */
export const slowReaderBytes = 256 * 1024;
/** Above this number of waiting bytes the server reads nothing more from the socket. */
export const fullBytes = 4 * 1024 * 1024;
/** Memory of Node and ws for each waiting frame, beside its bytes. */
const frameBytes = 512;
/** Close code for a socket whose reader is too slow, from the private range. */
export const slowReaderCode = 4008;

const asText = { binary: false };
const asBinary = { binary: true };

export interface ClientSocketOptions {
  clock: Clock;
  /** How long a reader may read nothing while `slowReaderBytes` wait. */
  slowReaderMs: number;
  /** The reader read nothing for that long. */
  slow: () => void;
  /** The socket can take more again. */
  room: () => void;
}

/**
 * The WebSocket of one client, for writing. All sent bytes are counted. Above `maxWaiting` nothing more is read from
 * the socket: a client that asks and never reads the answers would fill the memory.
 */
export class ClientSocket {
  /** Limit of waiting bytes for reading. */
  maxWaiting = fullBytes;
  /** Bytes waiting elsewhere for this socket. */
  backlog: () => number = () => 0;
  /** The reader has read something, and at most `slowReaderBytes` wait. */
  drained: () => void = () => {};
  readonly #socket: WebSocket;
  readonly #options: ClientSocketOptions;
  /** Number of waiting frames. Frames sent while none waits are not counted: ws passes them to the system at once. */
  #frames = 0;
  #isFull = false;
  #isHeld = false;
  /** Time when the reader last read something, or when something began to wait. */
  #since = 0;
  #timer: Timer | undefined;
  #isPonging = false;
  #nextPong: Buffer | undefined;

  constructor(socket: WebSocket, options: ClientSocketOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on('ping', (data: Buffer) => this.#answerPing(data));
    socket.on('close', () => {
      this.#timer?.cancel();
      this.#timer = undefined;
      this.#check();
    });
  }

  /** Bytes waiting in the socket. */
  get waiting(): number {
    return this.#socket.bufferedAmount + this.#frames * frameBytes;
  }

  /** Whether more than `slowReaderBytes` wait. */
  get isSlow(): boolean {
    return this.waiting > slowReaderBytes;
  }

  /** Whether too much waits to answer more tasks. */
  get isFull(): boolean {
    this.#check();
    return this.#isFull;
  }

  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  send(frame: string | Buffer, binary = false): void {
    // Fast sockets need no callback: the frame that makes a later one wait always has one.
    const keepsUp = this.#socket.bufferedAmount === 0 && frame.length <= slowReaderBytes / 2;
    if (keepsUp) this.#socket.send(frame, binary ? asBinary : asText);
    else {
      this.#frames++;
      this.#socket.send(frame, binary ? asBinary : asText, this.#taken);
    }
    this.#check();
  }

  ping(text: string): void {
    // The callback receives the error of a socket that has just closed.
    this.#socket.ping(text, false, () => {});
  }

  /** Reads nothing until `release`. */
  hold(): void {
    this.#isHeld = true;
    this.#read();
  }

  release(): void {
    this.#isHeld = false;
    this.#read();
  }

  close(code: number, reason: string): void {
    // A paused socket would read neither pongs nor the close frame.
    if (this.#socket.isPaused) this.#socket.resume();
    this.#socket.close(code, reason);
  }

  terminate(): void {
    this.#socket.terminate();
  }

  /** Checks the waiting bytes again; call it after a change of `backlog`. */
  check(): void {
    this.#check();
  }

  /** One closure for each socket, not for each frame: there may be thousands of frames a second. */
  readonly #taken = (): void => {
    this.#frames--;
    this.#since = this.#options.clock.now();
    if (!this.isSlow) this.drained();
    this.#check();
  };

  #check(): void {
    const isOpen = this.isOpen;
    const waits = isOpen ? this.waiting + this.backlog() : 0;
    if (waits > this.maxWaiting) {
      if (!this.#isFull) {
        this.#isFull = true;
        this.#read();
      }
    } else if (this.#isFull && waits <= this.maxWaiting / 2) {
      this.#isFull = false;
      this.#read();
      this.#options.room();
    }
    if (isOpen && this.isSlow && this.#timer === undefined) {
      this.#since = this.#options.clock.now();
      this.#watch(this.#options.slowReaderMs);
    }
  }

  #read(): void {
    if (!this.isOpen) return;
    const stop = this.#isFull || this.#isHeld;
    if (stop && !this.#socket.isPaused) this.#socket.pause();
    else if (!stop && this.#socket.isPaused) this.#socket.resume();
  }

  #watch(ms: number): void {
    this.#timer = this.#options.clock.after(ms, () => {
      this.#timer = undefined;
      if (!this.isOpen || !this.isSlow) return;
      const left = this.#since + this.#options.slowReaderMs - this.#options.clock.now();
      if (left > 0) this.#watch(left);
      else this.#options.slow();
    });
  }

  /**
   * Answers only the newest of the pings that came while the last pong waited, as RFC 6455 (5.5.3) allows. So a client
   * that sends pings and reads nothing has at most two pongs waiting.
   */
  #answerPing(data: Buffer): void {
    if (this.#isPonging) {
      this.#nextPong = data;
      return;
    }
    this.#isPonging = true;
    this.#socket.pong(data, false, () => {
      this.#isPonging = false;
      const next = this.#nextPong;
      this.#nextPong = undefined;
      if (next !== undefined) this.#answerPing(next);
    });
  }
}
