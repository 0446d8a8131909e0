import { decodeFrame } from '../../protocol/frames.js';
import { parseJson, stringifyJson } from '../../protocol/json.js';
import { LatentwireError } from './errors.js';
import { Stream } from './stream.js';

/** Longest wait for a socket to open and the session to be confirmed. */
const openTimeoutMs = 15_000;
/**
 * One lasting connection over as many sockets as it takes: authenticates, resumes the session after a loss, pings, and
 * waits longer before each new attempt. It knows nothing about tasks.
 */
export class Connection {
  status = new Stream((_kept, status) => [status]);
  state = { state: 'connecting' };
  #options;
  #listener;
  #socket;
  #sessionUUID;
  #closing = false;
  /** Cuts the wait before the next attempt short. */
  #hurry = () => {};
  constructor(options, listener) {
    this.#options = options;
    this.#listener = listener;
    this.status.push(this.state);
    // A turn later, so that the owner is complete before it hears anything.
    queueMicrotask(() => void this.#run());
  }
  get open() {
    return this.state.state === 'open';
  }
  /** False when the connection is not open; the owner sends again in `opened`. */
  send(tasks) {
    if (!this.open || this.#socket?.readyState !== 1) return false;
    this.#socket.send(stringifyJson(tasks));
    return true;
  }
  /** While waiting to reconnect: do it now. */
  retryNow() {
    this.#hurry();
  }
  close() {
    this.#closing = true;
    this.#hurry();
    this.#socket?.close(1000);
    this.#end(undefined);
  }
  async #run() {
    const { reconnect, waitForServer } = this.#options;
    let wasOpen = false;
    for (let attempt = 1; !this.#closing; attempt++) {
      if (this.state.state !== 'connecting') this.#become({ state: 'connecting' });
      const ended = await this.#live();
      if (this.#closing) return;
      if (ended.refused) return this.#end(ended.refused);
      if (ended.opened) {
        wasOpen = true;
        attempt = 1;
      }
      if (!reconnect || attempt > reconnect.attempts || !(wasOpen || waitForServer)) {
        const message = wasOpen
          ? 'The connection to the server was lost.'
          : `No server answers at ${this.#options.url}.`;
        return this.#end(new LatentwireError({ code: 'connectionFailed', message }, ended.cause));
      }
      const delayMs = Math.min(reconnect.maxDelayMs, reconnect.initialDelayMs * 2 ** (attempt - 1));
      await this.#pause(attempt, Math.round(delayMs * (1 - Math.random() / 2)), ended.cause);
    }
  }
  /** One socket from its opening to its end. Never throws: how it ended is the answer. */
  async #live() {
    let socket;
    try {
      const Constructor = this.#options.WebSocket ?? (await findWebSocket());
      if (this.#closing) return { opened: false };
      socket = new Constructor(this.#options.url);
    } catch (cause) {
      return { opened: false, cause };
    }
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    let opened = false;
    let refused;
    let cause;
    let lastHeard = Date.now();
    let pingedAt = 0;
    let heartbeat;
    let deadline;
    const authenticated = (item) => {
      const sessionUUID = String(item.connectionSessionUUID);
      const resumed = sessionUUID === this.#sessionUUID;
      this.#sessionUUID = sessionUUID;
      opened = true;
      this.#become({ state: 'open', sessionUUID, resumed });
      this.#listener.opened();
    };
    const received = (data) => {
      if (typeof data !== 'string') {
        const { event, image } = decodeFrame(new Uint8Array(data));
        return this.#listener.happened(event, image);
      }
      const frame = parseJson(data);
      for (const item of frame.data ?? []) {
        if (item.taskType === 'authentication') authenticated(item);
        else if (item.taskType !== 'ping') this.#listener.answered(item);
      }
      for (const event of frame.events ?? []) this.#listener.happened(event, undefined);
      for (const error of frame.errors ?? []) {
        if (!opened && error.taskUUID === undefined) refused = new LatentwireError(error);
        else if (error.taskUUID === undefined) cause = new LatentwireError(error);
        else this.#listener.failed(error);
      }
      if (refused) socket.close(1000);
    };
    await new Promise((resolve) => {
      // A browser may take minutes to give up a socket whose peer is gone; waiting for its close event would hold back
      // the next attempt for as long.
      const abandon = (reason) => {
        cause ??= new Error(reason);
        socket.close();
        resolve();
      };
      const { pingIntervalMs, pongTimeoutMs } = this.#options;
      deadline = setTimeout(() => opened || abandon('The server did not open a session in time.'), openTimeoutMs);
      heartbeat = setInterval(() => {
        // While a ping is unanswered its own deadline runs, and must not be moved by the next.
        if (!opened || lastHeard < pingedAt) return;
        pingedAt = Date.now();
        socket.send('[{"taskType":"ping","ping":true}]');
        clearTimeout(deadline);
        deadline = setTimeout(() => lastHeard < pingedAt && abandon('The server stopped answering.'), pongTimeoutMs);
      }, pingIntervalMs);
      socket.addEventListener('open', () => {
        const { apiKey } = this.#options;
        socket.send(
          stringifyJson([
            {
              taskType: 'authentication',
              ...(apiKey !== undefined && { apiKey }),
              ...(this.#sessionUUID !== undefined && { connectionSessionUUID: this.#sessionUUID }),
            },
          ]),
        );
      });
      socket.addEventListener('message', ({ data }) => {
        if (this.#socket !== socket || this.#closing) return;
        lastHeard = Date.now();
        try {
          received(data);
        } catch (error) {
          cause = error;
          abandon('The server sent a frame that cannot be read.');
        }
      });
      socket.addEventListener('error', (event) => {
        cause ??= event.error ?? event;
      });
      socket.addEventListener('close', ({ code, reason }) => {
        cause ??= new Error(`The socket closed with ${code}${reason ? `: ${reason}` : ''}.`);
        resolve();
      });
    });
    clearInterval(heartbeat);
    clearTimeout(deadline);
    this.#socket = undefined;
    return { opened, cause, ...(refused && { refused }) };
  }
  async #pause(attempt, delayMs, cause) {
    this.#become({ state: 'reconnecting', attempt, delayMs, cause });
    let timer;
    await new Promise((resolve) => {
      timer = setTimeout(resolve, delayMs);
      this.#hurry = resolve;
    });
    clearTimeout(timer);
    this.#hurry = () => {};
  }
  #become(status) {
    this.state = status;
    this.status.push(status);
  }
  #end(error) {
    if (this.state.state === 'closed') return;
    this.#become(error ? { state: 'closed', error } : { state: 'closed' });
    this.status.end();
    this.#listener.closed(error);
  }
}
/** Browsers and Node >= 22 bring their own; Node 20 takes the `ws` package. */
async function findWebSocket() {
  const { WebSocket } = globalThis;
  if (WebSocket) return WebSocket;
  const { WebSocket: NodeWebSocket } = await import('ws');
  return NodeWebSocket;
}
//# sourceMappingURL=connection.js.map
