import { STATUS_CODES } from 'node:http';
import { WebSocketServer } from 'ws';
import { TaskError, toErrorFrame } from '../protocol/errors.js';
import { stringifyJson } from '../protocol/json.js';
import { isAllowedOrigin, isKnownHost, originRefused, pathOf } from './access.js';
import { serveConnection } from './connection.js';
import { maxRequestBytes, strangerBytes } from './intake.js';
import { networkOf } from './proxies.js';

/** Sockets of one network that may be open without having shown a key, where one is needed. */
const maxStrangers = 256;
/** How long a client may send nothing of a message that it has begun. */
const messagePauseMs = 30_000;
/** For how many of those times one message may be under way. */
const maxMessagePauses = 10;
/** How long a socket that was cut may take to read why; what it sends meanwhile is dropped. */
const cutMs = 1_000;
/** How often one origin that is refused is logged. */
const originLogMs = 60_000;
const maxLoggedOrigins = 1_000;
/** Makes WebSockets of requests that ask for one, on any path. */
export class Upgrades {
  #context;
  #server;
  /** When a refused origin may be logged again. */
  #logged = new Map();
  constructor(context) {
    this.#context = context;
    this.#server = new WebSocketServer({
      noServer: true,
      // Compression costs more than it gives on images, and previews must not wait for it.
      perMessageDeflate: false,
      // `ClientSocket` answers pings, so that its answers are bounded like all else that is sent.
      autoPong: false,
      maxPayload: maxRequestBytes(context.config.maxUploadBytes),
    });
  }
  get sockets() {
    return this.#server.clients;
  }
  close() {
    this.#server.close();
  }
  handle(request, socket, head) {
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
      // A refused socket is read until it is closed, and what it sends meanwhile counts as a stranger's.
      const isStranger = !isAllowed || !context.keys.open;
      const reading = this.#countUnfinished(webSocket, request, head.byteLength, isStranger);
      if (!isAllowed) return this.#refuseOrigin(webSocket, request);
      serveConnection(webSocket, request, context, () => reading.known());
    });
  }
  #refusal(request) {
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
  /** A page is told nothing of a refused upgrade, so this socket is opened to say why. */
  #refuseOrigin(webSocket, request) {
    const { log, clock } = this.#context;
    const origin = request.headers.origin ?? '';
    webSocket.on('error', () => {});
    webSocket.send(stringifyJson(toErrorFrame(originRefused(origin))));
    webSocket.close(1008, 'forbiddenOrigin');
    if ((this.#logged.get(origin) ?? 0) > clock.now() || this.#logged.size >= maxLoggedOrigins) return;
    this.#logged.set(origin, clock.now() + originLogMs);
    clock.after(originLogMs, () => this.#logged.delete(origin));
    log.info({ origin: origin.slice(0, 200) }, 'A page was refused: --allowed-origins does not name its origin.');
  }
  /** Counts what the client has sent of a message that is not complete, and cuts it where that is too much or takes too long. */
  #countUnfinished(webSocket, request, headBytes, isStranger) {
    const { intake, proxies, clock, log } = this.#context;
    const address = proxies.addressOf(request);
    const cut = () => {
      log.info({ address }, 'A client sent too much of an unfinished message. Its socket is closed.');
      // 1013: try again later.
      if (reading.isStranger) webSocket.close(1008, 'missingApiKey');
      else webSocket.close(1013, 'unfinishedMessage');
      // Closing at once, with bytes unread, would make the system reset the connection, and the client would not learn why.
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
    // Before ws gets to see the same bytes and tells of a message that they complete.
    request.socket.prependListener('data', (chunk) => {
      reading.add(chunk.byteLength);
      if (reading.isStranger && reading.bytes > strangerBytes) reading.cut();
    });
    webSocket.on('message', () => {
      pauses = 0;
      reading.reset();
    });
    // Control frames may come between the fragments of a message. A client's have six bytes of header and mask.
    const forget = (data) => reading.add(-(data.byteLength + 6));
    webSocket.on('ping', forget).on('pong', forget);
    webSocket.on('close', () => {
      watch.cancel();
      reading.close();
    });
    return reading;
  }
}
//# sourceMappingURL=upgrade.js.map
