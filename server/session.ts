import { v4 as createUUID } from 'uuid';
import type { WebSocket } from 'ws';
import { type TaskError, toErrorFrame } from '../protocol/errors.ts';
import type { TaskEvent } from '../protocol/events.ts';
import { encodeFrame } from '../protocol/frames.ts';
import { stringifyJson } from '../protocol/json.ts';
import type { PreviewOptions } from '../protocol/previews.ts';
import { dataFrame, eventFrame, type ResultItem } from '../protocol/replies.ts';
import type { Caller } from './caller.ts';

/** Bytes waiting in a socket beyond which its reader counts as slow and gets only the newest previews. */
const slowReaderBytes = 256 * 1024;
/** Bytes waiting in a socket beyond which no more tasks are read from it, until its reader has caught up. */
const stalledReaderBytes = 8 * 1024 * 1024;

type Frame = string | Uint8Array;

/**
 * What a client comes back to: survives its socket, and keeps what could not be delivered. A frame leaves the list only
 * when the socket has handed it to the operating system, so that a resumed socket begins with what the last one lost.
 */
export class Session implements Caller {
  readonly id = createUUID();
  readonly owner: string;
  baseUrl: string;
  previews: PreviewOptions | false = false;
  progress = false;
  #socket: WebSocket | undefined;
  readonly #undelivered = new Set<{ frame: string }>();
  readonly #droppable = new Map<string, Frame>();

  constructor(owner: string, baseUrl: string) {
    this.owner = owner;
    this.baseUrl = baseUrl;
  }

  get attached(): boolean {
    return this.#socket !== undefined;
  }

  /** Makes `socket` the one that frames go to, and sends what an earlier one could not deliver, in order. */
  attach(socket: WebSocket): void {
    if (this.#socket === socket) return;
    // The client is here; what is left of its last socket can only be half open.
    this.#socket?.terminate();
    this.#socket = socket;
    for (const entry of this.#undelivered) this.#deliver(socket, entry);
  }

  /** Called when `socket` has closed. False when another one has taken its place meanwhile. */
  detach(socket: WebSocket): boolean {
    if (this.#socket !== socket) return false;
    this.#socket = undefined;
    this.#droppable.clear();
    return true;
  }

  data(...items: [ResultItem, ...ResultItem[]]): void {
    for (const item of items) {
      if ('imageUUID' in item && 'resultIndex' in item) this.#forget(item.taskUUID, item.resultIndex);
    }
    this.#send(stringifyJson(dataFrame(...items)));
  }

  fail(error: TaskError): void {
    if (error.taskUUID !== undefined) this.#forget(error.taskUUID);
    this.#send(stringifyJson(toErrorFrame(error)));
  }

  event(event: TaskEvent, image?: Uint8Array): void {
    if (event.event !== 'stepped' && event.event !== 'previewed') {
      if (event.event === 'cancelled') this.#forget(event.taskUUID);
      this.#send(stringifyJson(eventFrame(event)));
      return;
    }
    const socket = this.#socket;
    // Nobody to see it: steps and previews are worth nothing later.
    if (socket === undefined) return;
    const frame =
      image !== undefined && event.event === 'previewed' ? encodeFrame(event, image) : stringifyJson(eventFrame(event));
    const key = `${event.taskUUID} ${event.resultIndex} ${event.event}`;
    if (socket.bufferedAmount > slowReaderBytes) this.#droppable.set(key, frame);
    else {
      this.#droppable.delete(key);
      socket.send(frame, () => this.#drained(socket));
    }
  }

  /** Drops steps and previews that still wait for a slow reader: what comes next makes them untrue. */
  #forget(taskUUID: string, resultIndex?: number): void {
    const prefix = resultIndex === undefined ? `${taskUUID} ` : `${taskUUID} ${resultIndex} `;
    for (const key of this.#droppable.keys()) if (key.startsWith(prefix)) this.#droppable.delete(key);
  }

  #send(frame: string): void {
    const entry = { frame };
    this.#undelivered.add(entry);
    if (this.#socket !== undefined) this.#deliver(this.#socket, entry);
  }

  #deliver(socket: WebSocket, entry: { frame: string }): void {
    socket.send(entry.frame, (error) => {
      if (error !== undefined && error !== null) return;
      this.#undelivered.delete(entry);
      this.#drained(socket);
    });
    if (socket.bufferedAmount > stalledReaderBytes && !socket.isPaused) socket.pause();
  }

  #drained(socket: WebSocket): void {
    if (socket !== this.#socket) return;
    if (socket.isPaused && socket.bufferedAmount <= slowReaderBytes) socket.resume();
    for (const [key, frame] of this.#droppable) {
      if (socket.bufferedAmount > slowReaderBytes) return;
      this.#droppable.delete(key);
      socket.send(frame, () => this.#drained(socket));
    }
  }
}

/** The sessions that live; one without a socket is kept for a while, then forgotten. */
export class Sessions {
  readonly #sessions = new Map<string, Session>();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #keepMs: number;
  readonly #expired: (session: Session) => void;

  /** `expired` hears of sessions whose client did not come back. */
  constructor(keepMs: number, expired: (session: Session) => void) {
    this.#keepMs = keepMs;
    this.#expired = expired;
  }

  create(owner: string, baseUrl: string): Session {
    const session = new Session(owner, baseUrl);
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
      this.#expired(session);
    }, this.#keepMs);
    timer.unref();
    this.#timers.set(session.id, timer);
  }

  close(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#sessions.clear();
  }
}
