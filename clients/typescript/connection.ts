import type { WireError } from '../../protocol/errors.ts';
import type { TaskEvent } from '../../protocol/events.ts';
import { decodeFrame } from '../../protocol/frames.ts';
import { parseJson, stringifyJson } from '../../protocol/json.ts';
import { LatentwireError } from './errors.ts';
import { Stream } from './stream.ts';

/** State of the connection; `closed` is final. */
export type ConnectionStatus =
  | { state: 'connecting' }
  /** `resumed`: the server still had the session, so no message was lost. */
  | { state: 'open'; sessionUUID: string; resumed: boolean }
  /** The link is lost; the next attempt is in `delayMs`. `attempt` counts from 1. */
  | { state: 'reconnecting'; attempt: number; delayMs: number; cause?: unknown }
  /** Closed finally: by {@link Client.close} (no error), by a refused key, or because nothing answered. */
  | { state: 'closed'; error?: LatentwireError };

/** The used part of the standard WebSocket, which browsers, Node >= 22 and the `ws` package have. */
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
  /** Delay of the first new attempt; doubles each time, minus up to half at random. Milliseconds, default 250. */
  initialDelayMs?: number;
  /** Maximum delay between two attempts. Milliseconds, default 10000. */
  maxDelayMs?: number;
  /** Failed attempts after which the connection closes with `connectionFailed`. Default: no limit. */
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

/** Callbacks to the owner of the connection. */
export interface ConnectionListener {
  /** Authenticated, the first time or again: the owner sends unanswered tasks. */
  opened(): void;
  answered(item: WireItem): void;
  failed(error: WireError): void;
  /** `image` is present for events of a binary frame. */
  happened(event: TaskEvent, image: Uint8Array | undefined): void;
  closed(error: LatentwireError | undefined): void;
}

/** One element of a `data` frame. */
export interface WireItem {
  taskType: string;
  taskUUID?: string;
  [field: string]: unknown;
}

/** Time limit for opening a socket and confirming the session. */
const openTimeoutMs = 15_000;

/**
 * One lasting connection over several sockets: authenticates, resumes the session after a loss, pings, and increases
 * the delay of each attempt. It has no knowledge of tasks.
 */
export class Connection {
  readonly status = new Stream<ConnectionStatus>((_kept, status) => [status]);
  state: ConnectionStatus = { state: 'connecting' };
  readonly #options: ConnectionOptions;
  readonly #listener: ConnectionListener;
  #socket: WebSocketLike | undefined;
  #sessionUUID: string | undefined;
  #closing = false;
  /** Ends the current delay. */
  #hurry: () => void = () => {};

  constructor(options: ConnectionOptions, listener: ConnectionListener) {
    this.#options = options;
    this.#listener = listener;
    this.status.push(this.state);
    // Deferred, so that the owner is complete before the first callback.
    queueMicrotask(() => void this.#run());
  }

  get open(): boolean {
    return this.state.state === 'open';
  }

  /** False if the connection is not open; the owner sends again in `opened`. */
  send(tasks: readonly object[]): boolean {
    if (!this.open || this.#socket?.readyState !== 1) return false;
    this.#socket.send(stringifyJson(tasks));
    return true;
  }

  /** While waiting to reconnect: reconnects now. */
  retryNow(): void {
    this.#hurry();
  }

  close(): void {
    this.#closing = true;
    this.#hurry();
    this.#socket?.close(1000);
    this.#end(undefined);
  }

  async #run(): Promise<void> {
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

  /** One socket, from opening to end. Never throws; returns how it ended. */
  async #live(): Promise<{ opened: boolean; refused?: LatentwireError; cause?: unknown }> {
    let socket: WebSocketLike;
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
    let refused: LatentwireError | undefined;
    let cause: unknown;
    let lastHeard = Date.now();
    let pingedAt = 0;
    let heartbeat: ReturnType<typeof setInterval> | undefined;
    let deadline: ReturnType<typeof setTimeout> | undefined;

    const authenticated = (item: WireItem) => {
      const sessionUUID = String(item.connectionSessionUUID);
      const resumed = sessionUUID === this.#sessionUUID;
      this.#sessionUUID = sessionUUID;
      opened = true;
      this.#become({ state: 'open', sessionUUID, resumed });
      this.#listener.opened();
    };
    const received = (data: unknown) => {
      if (typeof data !== 'string') {
        const { event, image } = decodeFrame(new Uint8Array(data as ArrayBuffer));
        return this.#listener.happened(event, image);
      }
      const frame = parseJson(data) as { data?: WireItem[]; errors?: WireError[]; events?: TaskEvent[] };
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

    await new Promise<void>((resolve) => {
      // A browser may take minutes to close a socket of a lost peer; waiting for its close event would delay the next
      // attempt.
      const abandon = (reason: string) => {
        cause ??= new Error(reason);
        socket.close();
        resolve();
      };
      const { pingIntervalMs, pongTimeoutMs } = this.#options;
      deadline = setTimeout(() => opened || abandon('The server did not open a session in time.'), openTimeoutMs);
      heartbeat = setInterval(() => {
        // An unanswered ping has its own deadline, which the next ping must not move.
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
        cause ??= (event as { error?: unknown }).error ?? event;
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

  async #pause(attempt: number, delayMs: number, cause: unknown): Promise<void> {
    this.#become({ state: 'reconnecting', attempt, delayMs, cause });
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, delayMs);
      this.#hurry = resolve;
    });
    clearTimeout(timer);
    this.#hurry = () => {};
  }

  #become(status: ConnectionStatus): void {
    this.state = status;
    this.status.push(status);
  }

  #end(error: LatentwireError | undefined): void {
    if (this.state.state === 'closed') return;
    this.#become(error ? { state: 'closed', error } : { state: 'closed' });
    this.status.end();
    this.#listener.closed(error);
  }
}

/** Browsers and Node >= 22 have a WebSocket; Node 20 uses the `ws` package. */
async function findWebSocket(): Promise<WebSocketConstructor> {
  const { WebSocket } = globalThis as { WebSocket?: WebSocketConstructor };
  if (WebSocket) return WebSocket;
  const { WebSocket: NodeWebSocket } = await import('ws');
  return NodeWebSocket as unknown as WebSocketConstructor;
}
