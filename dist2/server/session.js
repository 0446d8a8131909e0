import { v4 as createUUID } from 'uuid';
import { toErrorFrame } from '../protocol/errors.js';
import { stringifyJson } from '../protocol/json.js';
import { eventFrame } from '../protocol/replies.js';
import { eventFrameOf } from './frames.js';
import { Outbox } from './outbox.js';
import { itemOf } from './results.js';
/**
 * What a client comes back to: survives its socket, and keeps what is not known to have arrived. Of events it keeps the
 * newest of each kind, of each result that is unfinished. While no socket is there it keeps no bytes of any picture.
 */
export class Session {
  id = createUUID();
  owner;
  baseUrl;
  previews = false;
  progress = false;
  pushes = false;
  tellsParts = true;
  #socket;
  #options;
  #outbox;
  /** In the order in which they came. */
  #newest = new Map();
  /** Those of them that the socket has not been given. */
  #unsent = new Set();
  constructor(owner, baseUrl, options) {
    this.owner = owner;
    this.baseUrl = baseUrl;
    this.#options = options;
    this.#outbox = new Outbox(options.read);
  }
  get kind() {
    return 'session';
  }
  get claimant() {
    return this;
  }
  get attached() {
    return this.#socket !== undefined;
  }
  /** Makes `socket` the one that frames go to, and sends what is not known to have arrived on earlier ones, in order. */
  attach(socket) {
    if (this.#socket === socket) return;
    // The client is here; what is left of its last socket can only be half open.
    this.#socket?.terminate();
    this.#socket = socket;
    socket.backlog = () => (this.#socket === socket ? this.#outbox.unsentBytes : 0);
    socket.drained = () => this.#drained(socket);
    for (const key of this.#newest.keys()) this.#unsent.add(key);
    this.#outbox.attach(socket);
    this.#flush();
  }
  /** Called when `socket` has closed. False when another one has taken its place meanwhile. */
  detach(socket) {
    if (this.#socket !== socket) return false;
    this.#socket = undefined;
    for (const [key, { kind }] of this.#newest) {
      this.#drop(key);
      // Its bytes; the record of the task has the newest for whoever comes back.
      if (kind === 'previewed') this.#newest.delete(key);
    }
    this.#outbox.detach();
    return true;
  }
  /** A pong came on `socket`, with the text that its ping had. */
  ponged(socket, text) {
    this.#outbox.ponged(socket, text);
  }
  /** The client closed `socket` because a frame was larger than it takes. To be called before `detach`. */
  refused(socket) {
    let largest = 0;
    for (const [key, { bytes }] of this.#newest) if (!this.#unsent.has(key)) largest = Math.max(largest, bytes.length);
    this.#outbox.refused(socket, largest);
  }
  data(...answers) {
    for (const answer of answers) this.#forgetEventsOf(answer);
    this.#outbox.push(answers);
  }
  result(result, image) {
    this.#forgetEventsOf(result);
    this.#outbox.push([result], image);
  }
  fail(error) {
    if (error.taskUUID !== undefined) this.forget(error.taskUUID);
    this.#outbox.push(stringifyJson(toErrorFrame(error)));
  }
  event(event, image) {
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
  holds(taskUUID, resultIndex) {
    return this.#outbox.holds(taskUUID, resultIndex);
  }
  awaits() {}
  forget(taskUUID) {
    this.#forget(`${taskUUID} `);
  }
  #forgetEventsOf(answer) {
    const item = itemOf(answer);
    if ('imageUUID' in item && 'resultIndex' in item) this.#forget(`${item.taskUUID} ${item.resultIndex} `);
  }
  /** Drops events that the result, or the end, makes untrue. */
  #forget(prefix) {
    for (const key of this.#newest.keys()) {
      if (!key.startsWith(prefix)) continue;
      this.#drop(key);
      this.#newest.delete(key);
    }
  }
  /** Gives up on sending an event; call before a newer one takes its place. */
  #drop(key) {
    if (!this.#unsent.delete(key)) return;
    if (this.#newest.get(key)?.kind === 'previewed') this.#options.meter.previewDropped('slow_reader');
  }
  /** Sends events as far as the socket takes them. */
  #flush() {
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
  #drained(socket) {
    if (socket !== this.#socket) return;
    this.#outbox.resume();
    this.#flush();
  }
}
/** The sessions that live; one without a socket is kept for a while, then forgotten. */
export class Sessions {
  #sessions = new Map();
  #timers = new Map();
  #options;
  constructor(options) {
    this.#options = options;
  }
  get size() {
    return this.#sessions.size;
  }
  create(owner, baseUrl) {
    const session = new Session(owner, baseUrl, this.#options);
    this.#sessions.set(session.id, session);
    return session;
  }
  /** The session of that id, if it belongs to the same owner. */
  find(id, owner) {
    const session = id === undefined ? undefined : this.#sessions.get(id);
    return session?.owner === owner ? session : undefined;
  }
  attach(session, socket) {
    this.#timers.get(session.id)?.cancel();
    this.#timers.delete(session.id);
    session.attach(socket);
    this.#options.attached(session);
  }
  detach(session, socket) {
    if (!session.detach(socket)) return;
    const timer = this.#options.clock.after(this.#options.keepMs, () => {
      this.#timers.delete(session.id);
      this.#sessions.delete(session.id);
      this.#options.expired(session);
    });
    this.#timers.set(session.id, timer);
  }
  /** Like `detach`, for a session that nobody will come back to. */
  discard(session, socket) {
    if (session.detach(socket)) this.#sessions.delete(session.id);
  }
  close() {
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    this.#sessions.clear();
  }
}
//# sourceMappingURL=session.js.map
