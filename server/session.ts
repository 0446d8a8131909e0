import { v4 as createUUID } from 'uuid';
import type { WebSocket } from 'ws';
import { type TaskError, toErrorFrame } from '../protocol/errors.ts';
import type { TaskEvent } from '../protocol/events.ts';
import { encodeFrame } from '../protocol/frames.ts';
import { stringifyJson } from '../protocol/json.ts';
import type { PreviewOptions } from '../protocol/previews.ts';
import { dataFrame, eventFrame, type ResultItem } from '../protocol/replies.ts';
import type { Caller } from './caller.ts';
import type { Logger } from './log.ts';
import { Outbox, type OutboxOptions, type OutboxOwner, slowReaderBytes } from './outbox.ts';

/** Closes a socket whose reader takes too little. Of those that are free to choose. */
export const slowReaderCode = 4008;

/** An event that only its newest of a kind matters of, and how it travels. */
interface NewestEvent {
  event: Exclude<TaskEvent, { event: 'cancelled' }>;
  image: Uint8Array | undefined;
}

/** What all sessions have in common. */
export interface SessionOptions extends OutboxOptions {
  /** Hears of a reader that takes too little. */
  slow: (session: Session, socket: WebSocket) => void;
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
  readonly #outbox: Outbox;
  /** In the order in which they came. */
  readonly #newest = new Map<string, NewestEvent>();
  /** Those of them that the socket has not been given. */
  readonly #unsent = new Set<string>();

  constructor(owner: string, baseUrl: string, options: SessionOptions) {
    this.owner = owner;
    this.baseUrl = baseUrl;
    this.#options = options;
    this.#outbox = new Outbox(this, options);
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
    for (const key of this.#newest.keys()) this.#unsent.add(key);
    this.#outbox.attach(socket);
    this.#flush();
  }

  /** Called when `socket` has closed. False when another one has taken its place meanwhile. */
  detach(socket: WebSocket): boolean {
    if (this.#socket !== socket) return false;
    this.#socket = undefined;
    this.#unsent.clear();
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
    this.#outbox.push(stringifyJson(dataFrame(...items)), items);
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
    const key = `${event.taskUUID} ${'resultIndex' in event ? event.resultIndex : ''} ${event.event}`;
    for (const keys of [this.#newest, this.#unsent]) keys.delete(key);
    this.#newest.set(key, { event, image });
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
      this.#newest.delete(key);
      this.#unsent.delete(key);
    }
  }

  /** Sends events as far as the socket takes them. */
  #flush(): void {
    const socket = this.#socket;
    if (socket === undefined || !this.#outbox.empty) return;
    for (const key of this.#unsent) {
      if (socket.bufferedAmount > slowReaderBytes) return;
      this.#unsent.delete(key);
      const newest = this.#newest.get(key);
      if (newest !== undefined) socket.send(toFrame(newest), () => this.drained(socket));
    }
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

function toFrame({ event, image }: NewestEvent): string | Uint8Array {
  return event.event === 'previewed' && image !== undefined
    ? encodeFrame(event, image)
    : stringifyJson(eventFrame(event));
}

export interface SessionsOptions extends OutboxOptions {
  /** How long a session waits for its client to come back. */
  keepMs: number;
  /** Hears of sessions whose client did not come back. */
  expired: (session: Session) => void;
  log: Logger;
}

/** The sessions that live; one without a socket is kept for a while, then forgotten. */
export class Sessions {
  readonly #sessions = new Map<string, Session>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #options: SessionsOptions;
  readonly #ofEach: SessionOptions;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#ofEach = { ...options, slow: (session, socket) => this.#slow(session, socket) };
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
    clearTimeout(this.#timers.get(session.id));
    this.#timers.delete(session.id);
    session.attach(socket);
  }

  detach(session: Session, socket: WebSocket): void {
    if (!session.detach(socket)) return;
    const timer = setTimeout(() => {
      this.#timers.delete(session.id);
      this.#sessions.delete(session.id);
      this.#options.expired(session);
    }, this.#options.keepMs);
    timer.unref();
    this.#timers.set(session.id, timer);
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
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#sessions.clear();
  }
}
