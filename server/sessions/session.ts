import { v4 as createUUID } from 'uuid';
import { type TaskError, toErrorFrame } from '../../protocol/errors.ts';
import type { TaskEvent } from '../../protocol/events.ts';
import { stringifyJson } from '../../protocol/json.ts';
import type { PreviewOptions } from '../../protocol/previews.ts';
import { eventFrame } from '../../protocol/replies.ts';
import type { EncodedImage } from '../images/encodedImage.ts';
import type { Caller } from '../lifecycle/caller.ts';
import { type Answer, itemOf, type ResultReference } from '../lifecycle/results.ts';
import type { PreviewMeter } from '../observe/metrics.ts';
import type { Claimant } from '../queue/queue.ts';
import type { ClientSocket } from './clientSocket.ts';
import { type EventFrame, eventFrameOf } from './frames.ts';
import { Outbox, type ReadImage } from './outbox.ts';

/** Shared parts of all sessions. */
export interface SessionOptions {
  read: ReadImage;
  meter: PreviewMeter;
}

/**
 * The state that a client resumes: it survives the socket and keeps unconfirmed frames. Of events it keeps the newest
 * of each kind for each unfinished result. Without a socket it keeps no picture data.
 */
export class Session implements Caller {
  readonly id = createUUID();
  readonly owner: string;
  baseUrl: string;
  previews: PreviewOptions | false = false;
  progress = false;
  pushes = false;
  readonly tellsParts = true;
  #socket: ClientSocket | undefined;
  readonly #options: SessionOptions;
  readonly #outbox: Outbox;
  /** In order of arrival. */
  readonly #newest = new Map<string, EventFrame>();
  /** Those that the socket does not have. */
  readonly #unsent = new Set<string>();

  constructor(owner: string, baseUrl: string, options: SessionOptions) {
    this.owner = owner;
    this.baseUrl = baseUrl;
    this.#options = options;
    this.#outbox = new Outbox(options.read);
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

  /** Attaches `socket` and sends the unconfirmed frames of earlier sockets, in order. */
  attach(socket: ClientSocket): void {
    if (this.#socket === socket) return;
    // The client has reconnected, so its last socket can only be half open.
    this.#socket?.terminate();
    this.#socket = socket;
    socket.backlog = () => (this.#socket === socket ? this.#outbox.unsentBytes : 0);
    socket.drained = () => this.#drained(socket);
    for (const key of this.#newest.keys()) this.#unsent.add(key);
    this.#outbox.attach(socket);
    this.#flush();
  }

  /** Detaches a closed `socket`. False if another socket has replaced it. */
  detach(socket: ClientSocket): boolean {
    if (this.#socket !== socket) return false;
    this.#socket = undefined;
    for (const [key, { kind }] of this.#newest) {
      this.#drop(key);
      // Drops preview bytes; the record of the task has the newest for the next socket.
      if (kind === 'previewed') this.#newest.delete(key);
    }
    this.#outbox.detach();
    return true;
  }

  /** Handles a pong on `socket` with the text of its ping. */
  ponged(socket: ClientSocket, text: string): void {
    this.#outbox.ponged(socket, text);
  }

  /** The client closed `socket` because of a frame above its limit. Call it before `detach`. */
  refused(socket: ClientSocket): void {
    let largest = 0;
    for (const [key, { bytes }] of this.#newest) if (!this.#unsent.has(key)) largest = Math.max(largest, bytes.length);
    this.#outbox.refused(socket, largest);
  }

  data(...answers: [Answer, ...Answer[]]): void {
    for (const answer of answers) this.#forgetEventsOf(answer);
    this.#outbox.push(answers);
  }

  result(result: ResultReference, image: EncodedImage): void {
    this.#forgetEventsOf(result);
    this.#outbox.push([result], image);
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
    if (event.event === 'previewed' && this.#socket === undefined) return;
    const frame = eventFrameOf(event, image);
    const { key } = frame;
    this.#drop(key);
    this.#newest.delete(key);
    if (frame.kind === 'previewed' && frame.bytes.length > this.#outbox.maxFrame) return;
    this.#newest.set(key, frame);
    if (this.#socket === undefined) return;
    this.#unsent.add(key);
    this.#flush();
  }

  holds(taskUUID: string, resultIndex: number): boolean {
    return this.#outbox.holds(taskUUID, resultIndex);
  }

  awaits(): void {}

  forget(taskUUID: string): void {
    this.#forget(`${taskUUID} `);
  }

  #forgetEventsOf(answer: Answer): void {
    const item = itemOf(answer);
    if ('imageUUID' in item && 'resultIndex' in item) this.#forget(`${item.taskUUID} ${item.resultIndex} `);
  }

  /** Drops events that a result, or the end of the task, makes obsolete. */
  #forget(prefix: string): void {
    for (const key of this.#newest.keys()) {
      if (!key.startsWith(prefix)) continue;
      this.#drop(key);
      this.#newest.delete(key);
    }
  }

  /** Removes an event; call it before a newer one replaces it. */
  #drop(key: string): void {
    if (!this.#unsent.delete(key)) return;
    if (this.#newest.get(key)?.kind === 'previewed') this.#options.meter.previewDropped('slow_reader');
  }

  /** Sends events until the socket is full. */
  #flush(): void {
    const socket = this.#socket;
    if (socket === undefined || !this.#outbox.empty) return;
    for (const key of this.#unsent) {
      if (socket.isSlow) return;
      this.#unsent.delete(key);
      const frame = this.#newest.get(key);
      if (frame === undefined) continue;
      socket.send(frame.bytes, frame.binary);
      if (frame.kind === 'previewed') this.#options.meter.previewSent();
    }
  }

  #drained(socket: ClientSocket): void {
    if (socket !== this.#socket) return;
    this.#outbox.resume();
    this.#flush();
  }
}
