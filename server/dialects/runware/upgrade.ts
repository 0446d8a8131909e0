import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { TaskError, toErrorFrame } from '../../../protocol/errors.ts';
import { stringifyJson } from '../../../protocol/json.ts';
import { networkOf } from '../../config/proxies.ts';
import type { Context } from '../../context.ts';
import { isAllowedOrigin, isKnownHost, originRefused, pathOf } from '../../http/access.ts';
import { maxRequestBytes, type Reading, strangerBytes } from '../../http/intake.ts';
import { serveConnection } from './connection.ts';

/** Open sockets of one network without a required key. */
const maxStrangers = 256;
/** Longest pause of a client within a message. */
const messagePauseMs = 30_000;
/** Time limit of one message, as a multiple of that. */
const maxMessagePauses = 10;
/** How long a refused socket stays open to deliver the reason; its input is dropped. */
const cutMs = 1_000;
/** Log interval for one refused origin. */
const originLogMs = 60_000;
const maxLoggedOrigins = 1_000;

/** Upgrades requests to WebSockets, on any path. */
export class Upgrades {
  readonly #context: Context;
  readonly #server: WebSocketServer;
  /** Next time to log a refused origin. */
  readonly #logged = new Map<string, number>();

  constructor(context: Context) {
    this.#context = context;
    this.#server = new WebSocketServer({
      noServer: true,
      // Compression does not pay on images, and it would delay previews.
      perMessageDeflate: false,
      // `ClientSocket` answers pings, so that the answers are bounded too.
      autoPong: false,
      maxPayload: maxRequestBytes(context.config.maxUploadBytes),
    });
  }

  get sockets(): ReadonlySet<WebSocket> {
    return this.#server.clients;
  }

  close(): void {
    this.#server.close();
  }

  handle(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const context = this.#context;
    socket.on('error', () => socket.destroy());
    const status = this.#refusal(request);
    if (status !== undefined) {
      socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      context.metrics.connected(request.socket);
      const isAllowed = isAllowedOrigin(request, context);
      // A refused socket is read until it closes; its input counts as that of a client without a key.
      const isStranger = !isAllowed || !context.keys.open;
      const reading = this.#countUnfinished(webSocket, request, head.byteLength, isStranger);
      if (!isAllowed) return this.#refuseOrigin(webSocket, request);
      serveConnection(webSocket, request, context, () => reading.known());
    });
  }

  #refusal(request: IncomingMessage): number | undefined {
    const { closing, keys, intake, proxies } = this.#context;
    if (closing) return 503;
    try {
      pathOf(request);
    } catch (error) {
      return error instanceof TaskError ? error.status : 400;
    }
    if (!isKnownHost(request, this.#context)) return 403;
    if (!keys.open && intake.strangersOf(networkOf(proxies.addressOf(request))) >= maxStrangers) return 429;
    return undefined;
  }

  /** A page cannot see why an upgrade was refused, so this socket opens to say it. */
  #refuseOrigin(webSocket: WebSocket, request: IncomingMessage): void {
    const { log, clock } = this.#context;
    const origin = request.headers.origin ?? '';
    webSocket.on('error', () => {});
    webSocket.send(stringifyJson(toErrorFrame(originRefused(origin))));
    webSocket.close(1008, 'forbiddenOrigin');
    if ((this.#logged.get(origin) ?? 0) > clock.now() || this.#logged.size >= maxLoggedOrigins) return;
    this.#logged.set(origin, clock.now() + originLogMs);
    clock.after(originLogMs, () => this.#logged.delete(origin));
    log.info({ origin: origin.slice(0, 200) }, 'A page was refused: its origin is not in --allowed-origins.');
  }

  /** Counts the bytes of an incomplete message, and closes the socket if they are too many or take too long. */
  #countUnfinished(webSocket: WebSocket, request: IncomingMessage, headBytes: number, isStranger: boolean): Reading {
    const { intake, proxies, clock, log } = this.#context;
    const address = proxies.addressOf(request);
    const cut = () => {
      log.info({ address }, 'The unfinished messages of a client are too large. Its socket is closed.');
      // 1013: try again later.
      if (reading.isStranger) webSocket.close(1008, 'missingApiKey');
      else webSocket.close(1013, 'unfinishedMessage');
      // Closing at once with unread bytes would reset the connection, and the client would not get the reason.
      request.socket.removeAllListeners('data').resume();
      clock.after(cutMs, () => request.socket.destroy());
    };
    const reading = intake.open(networkOf(address), isStranger, cut);
    reading.add(headBytes);
    let heard = 0;
    let pauses = 0;
    const watch = clock.every(messagePauseMs, () => {
      pauses = reading.bytes > 0 ? pauses + 1 : 0;
      if (reading.bytes > 0 && (reading.bytes === heard || pauses > maxMessagePauses)) reading.cut();
      heard = reading.bytes;
    });
    // Runs before ws processes the same bytes and emits a completed message.
    request.socket.prependListener('data', (chunk: Buffer) => {
      reading.add(chunk.byteLength);
      if (reading.isStranger && reading.bytes > strangerBytes) reading.cut();
    });
    webSocket.on('message', () => {
      pauses = 0;
      reading.reset();
    });
    // Control frames may come between fragments. A client's frames have six bytes of header and mask.
    const forget = (data: Buffer) => reading.add(-(data.byteLength + 6));
    webSocket.on('ping', forget).on('pong', forget);
    webSocket.on('close', () => {
      watch.cancel();
      reading.close();
    });
    return reading;
  }
}
