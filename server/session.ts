import { v4 as createUUID } from 'uuid';
import type { WebSocket } from 'ws';
import { type TaskError, toErrorFrame } from '../protocol/errors.ts';
import type { TaskEvent } from '../protocol/events.ts';
import { stringifyJson } from '../protocol/json.ts';
import type { PreviewOptions } from '../protocol/previews.ts';
import { eventFrame, type ResultItem } from '../protocol/replies.ts';
import type { Caller } from './caller.ts';
import type { Timer } from './clock.ts';
import { dataFrameOf, type EventFrame, eventFrameOf } from './frames.ts';
import type { Logger } from './log.ts';
import type { PreviewMeter } from './metrics.ts';
import { Outbox, type OutboxOptions, type OutboxOwner, slowReaderBytes } from './outbox.ts';
import type { Claimant } from './queue.ts';

/** Closes a socket whose reader takes too little. Of those that are free to choose. */
export const slowReaderCode = 4008;

const asText = { binary: false };
const asBinary = { binary: true };

/** What all sessions have in common. */
export interface SessionOptions extends OutboxOptions {
  /** Hears of a reader that takes too little. */
  slow: (session: Session, socket: WebSocket) => void;
  meter: PreviewMeter;
}

/**
 * What a client comes back to: survives its socket, and keeps what is not known to have arrived. Of events it keeps the
 * newest of each kind, of each result that is unfinished.
 */
export class Session implements Caller, OutboxOwner {
  readonly id = createUUID();
  readonly owner: string;
  baseUrl: string;
  previews: PreviewOptions | false = false;
  progress = false;
  #socket: WebSocket | undefined;
  readonly #options: SessionOptions;
  /** Made once for each socket and not for each frame: there may be thousands a second. */
  #whenDrained: (() => void) | undefined;
  readonly #outbox: Outbox;
  /** In the order in which they came. */
  readonly #newest = new Map<string, EventFrame>();
  /** Those of them that the socket has not been given. */
  readonly #unsent = new Set<string>();

  constructor(owner: string, baseUrl: string, options: SessionOptions) {
    this.owner = owner;
    this.baseUrl = baseUrl;
    this.#options = options;
    this.#outbox = new Outbox(this, options);
  }

  get kind(): 'session' {
    return 'session';
  }

  get claimant(): Claimant {
    return this;
  }

  get attached(): boolean {
    return this.#socket !== undefined;
  }

  /** Makes `socket` the one that frames go to, and sends what is not known to have arrived on earlier ones, in order. */
  attach(socket: WebSocket): void {
    if (this.#socket === socket) return;
    // The client is here; what is left of its last socket can only be half open.
    this.#socket?.terminate();
    this.#socket = socket;
    this.#whenDrained = () => this.drained(socket);
    for (const key of this.#newest.keys()) this.#unsent.add(key);
    this.#outbox.attach(socket);
    this.#flush();
  }

  /** Called when `socket` has closed. False when another one has taken its place meanwhile. */
  detach(socket: WebSocket): boolean {
    if (this.#socket !== socket) return false;
    this.#socket = undefined;
    for (const key of this.#unsent) this.#drop(key);
    this.#outbox.detach();
    return true;
  }

  /** A pong came on `socket`, with the text that its ping had. */
  ponged(socket: WebSocket, text: string): void {
    this.#outbox.ponged(socket, text);
  }

  data(...items: [ResultItem, ...ResultItem[]]): void {
    for (const item of items) {
      if ('imageUUID' in item && 'resultIndex' in item) this.#forget(`${item.taskUUID} ${item.resultIndex} `);
    }
    this.#outbox.push(dataFrameOf(...items), items);
  }

  fail(error: TaskError): void {
    if (error.taskUUID !== undefined) this.forget(error.taskUUID);
    this.#outbox.push(stringifyJson(toErrorFrame(error)));
  }

  event(event: TaskEvent, image?: Uint8Array): void {
    if (event.event === 'cancelled') {
      this.forget(event.taskUUID);
      this.#outbox.push(stringifyJson(eventFrame(event)));
      return;
    }
    const frame = eventFrameOf(event, image);
    const { key } = frame;
    this.#drop(key);
    this.#newest.delete(key);
    this.#newest.set(key, frame);
    if (this.#socket === undefined) return;
    this.#unsent.add(key);
    this.#flush();
  }

  holds(taskUUID: string, resultIndex: number): boolean {
    return this.#outbox.holds(taskUUID, resultIndex);
  }

  forget(taskUUID: string): void {
    this.#forget(`${taskUUID} `);
  }

  /** Drops events that the result, or the end, makes untrue. */
  #forget(prefix: string): void {
    for (const key of this.#newest.keys()) {
      if (!key.startsWith(prefix)) continue;
      this.#drop(key);
      this.#newest.delete(key);
    }
  }

  /** Gives up on sending an event; call before a newer one takes its place. */
  #drop(key: string): void {
    if (!this.#unsent.delete(key)) return;
    if (this.#newest.get(key)?.kind === 'previewed') this.#options.meter.previewDropped('slow_reader');
  }

  /** Sends events as far as the socket takes them. */
  #flush(): void {
    const socket = this.#socket;
    if (socket === undefined || !this.#outbox.empty) return;
    for (const key of this.#unsent) {
      if (socket.bufferedAmount > slowReaderBytes) return;
      this.#unsent.delete(key);
      const frame = this.#newest.get(key);
      if (frame !== undefined) this.#send(socket, frame);
    }
  }

  #send(socket: WebSocket, { kind, bytes, binary }: EventFrame): void {
    // A socket that keeps up need not tell when it has. What makes a later frame wait, a backlog, always ends in one that does.
    const keepsUp = socket.bufferedAmount === 0 && bytes.length <= slowReaderBytes / 2;
    socket.send(bytes, binary ? asBinary : asText, keepsUp ? undefined : this.#whenDrained);
    if (kind === 'previewed') this.#options.meter.previewSent();
  }

  slow(socket: WebSocket): void {
    this.#options.slow(this, socket);
  }

  drained(socket: WebSocket): void {
    if (socket !== this.#socket || socket.bufferedAmount > slowReaderBytes) return;
    this.#outbox.resume();
    this.#flush();
  }
}

export interface SessionsOptions extends OutboxOptions {
  /** How long a session waits for its client to come back. */
  keepMs: number;
  /** Hears of sessions whose client did not come back. */
  expired: (session: Session) => void;
  log: Logger;
  meter: PreviewMeter;
}

/** The sessions that live; one without a socket is kept for a while, then forgotten. */
export class Sessions {
  readonly #sessions = new Map<string, Session>();
  readonly #timers = new Map<string, Timer>();
  readonly #options: SessionsOptions;
  readonly #ofEach: SessionOptions;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#ofEach = { ...options, slow: (session, socket) => this.#slow(session, socket) };
  }

  get size(): number {
    return this.#sessions.size;
  }

  create(owner: string, baseUrl: string): Session {
    const session = new Session(owner, baseUrl, this.#ofEach);
    this.#sessions.set(session.id, session);
    return session;
  }

  /** The session of that id, if it belongs to the same owner. */
  find(id: string | undefined, owner: string): Session | undefined {
    const session = id === undefined ? undefined : this.#sessions.get(id);
    return session?.owner === owner ? session : undefined;
  }

  attach(session: Session, socket: WebSocket): void {
    this.#timers.get(session.id)?.cancel();
    this.#timers.delete(session.id);
    session.attach(socket);
  }

  detach(session: Session, socket: WebSocket): void {
    if (!session.detach(socket)) return;
    const timer = this.#options.clock.after(this.#options.keepMs, () => {
      this.#timers.delete(session.id);
      this.#sessions.delete(session.id);
      this.#options.expired(session);
    });
    this.#timers.set(session.id, timer);
  }

  /** Like `detach`, for a session that nobody will come back to. */
  discard(session: Session, socket: WebSocket): void {
    if (session.detach(socket)) this.#sessions.delete(session.id);
  }

  /** The session keeps what the reader did not take, and may be resumed at once. */
  #slow(session: Session, socket: WebSocket): void {
    this.#options.log.info({ session: session.id }, 'A reader takes too little; its socket is closed.');
    this.detach(session, socket);
    // Paused, it would read neither the pongs nor the closing of the other side.
    socket.resume();
    socket.close(slowReaderCode, 'slowReader');
  }

  close(): void {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    this.#sessions.clear();
  }
}
