import { createReadStream } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { v4 as createUUID } from 'uuid';
import { TaskError, toHttpFailure } from '../protocol/errors.ts';
import type { TaskEvent } from '../protocol/events.ts';
import { stringifyJson } from '../protocol/json.ts';
import type { PreviewOptions } from '../protocol/previews.ts';
import { mimeType, type ResultItem } from '../protocol/replies.ts';
import { parseRequest, parseTask, type Task } from '../protocol/tasks/index.ts';
import { baseUrlOf, isAllowedOrigin, isKnownHost, networkOf } from './access.ts';
import type { Caller } from './caller.ts';
import type { Context } from './context.ts';
import { health } from './health.ts';
import { extensions } from './images/encode.ts';
import { servePage } from './page.ts';
import type { Claimant } from './queue.ts';
import { toTaskError } from './taskErrors.ts';
import { handleTask } from './tasks/index.ts';

/** Answers one HTTP request: tasks by POST on any path, images, health, metrics and the page by GET. */
export async function serveRequest(
  request: IncomingMessage,
  response: ServerResponse,
  context: Context,
): Promise<void> {
  response.setHeader('x-content-type-options', 'nosniff');
  try {
    if (!isKnownHost(request, context)) {
      throw new TaskError('forbiddenOrigin', { message: 'This server does not answer to that host name.' });
    }
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    switch (request.method) {
      case 'POST':
        return await serveTasks(request, response, context);
      case 'OPTIONS':
        return servePreflight(request, response, context);
      case 'GET':
      case 'HEAD': {
        if (path.startsWith('/images/')) return await serveImage(path, request, response, context);
        if (path === '/health') return await serveHealth(request, response, context);
        if (path === '/metrics') return await serveMetrics(request, response, context);
        if (await servePage(path, request, response)) return;
        response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('There is nothing here.\n');
        return;
      }
      default:
        response.setHeader('allow', 'GET, HEAD, POST, OPTIONS');
        throw new TaskError('methodNotAllowed');
    }
  } catch (error) {
    const { status, body } = toHttpFailure(toTaskError(error, context));
    if (response.headersSent) response.destroy();
    else sendJson(response, status, body);
  }
}

/** The largest request, on the socket and by POST: one upload in base64 and some room for the rest of its task. */
export function maxRequestBytes(maxUploadBytes: number): number {
  return Math.ceil(maxUploadBytes * 1.5) + 64 * 1024;
}

/** Collects the answers to one task of a POST. Events have no place there. */
class HttpCaller implements Caller {
  /** That of the request. */
  readonly id: string;
  readonly owner: string;
  readonly claimant: Claimant;
  readonly baseUrl: string;
  readonly previews: PreviewOptions | false = false;
  readonly progress = false;
  readonly items: ResultItem[] = [];
  readonly errors: TaskError[] = [];

  constructor(id: string, claimant: Claimant, baseUrl: string) {
    this.id = id;
    this.owner = claimant.owner;
    this.claimant = claimant;
    this.baseUrl = baseUrl;
  }

  data(...items: [ResultItem, ...ResultItem[]]): void {
    this.items.push(...items);
  }

  fail(error: TaskError): void {
    this.errors.push(error);
  }

  event(event: TaskEvent): void {
    // Here somebody waits for an answer, so unlike on a socket there has to be one.
    if (event.event === 'cancelled') this.fail(new TaskError('taskCancelled').of(event));
  }

  holds(): boolean {
    return false;
  }

  forget(): void {}
}

async function serveTasks(request: IncomingMessage, response: ServerResponse, context: Context): Promise<void> {
  allowReading(request, response, context);
  if (!isAllowedOrigin(request, context)) throw new TaskError('forbiddenOrigin');
  const address = request.socket.remoteAddress ?? '';
  refuseGuessing(address, response, context);
  const values = parseRequest(await readBody(request, response, maxRequestBytes(context.config.maxUploadBytes)));
  const tasks = values.map((value): Task | TaskError => {
    try {
      return parseTask(value);
    } catch (error) {
      return toTaskError(error, context);
    }
  });
  const authentication = tasks.find((task) => !(task instanceof TaskError) && task.taskType === 'authentication');
  const apiKey = bearerOf(request) ?? (authentication as { apiKey?: string } | undefined)?.apiKey;
  const owner = context.keys.ownerOf(apiKey, address);
  if (owner === undefined) throw wrongKey(apiKey);
  const requestId = createUUID();
  const baseUrl = baseUrlOf(request, context);
  // A request of its own for each task must not make a client's part of the machine larger.
  const claimant: Claimant = { kind: 'address', id: `${owner} at ${networkOf(address)}`, owner };
  const callers = tasks.map(() => new HttpCaller(requestId, claimant, baseUrl));
  // Nobody reads the answer any more. Like a session, its tasks wait a while for somebody to ask for them again.
  response.once('close', () => {
    if (response.writableFinished) return;
    const abandon = () => {
      for (const caller of callers) context.records.abandon(caller);
    };
    context.clock.after(context.config.sessionKeepMs, abandon);
  });
  await Promise.all(
    tasks.map(async (task, index) => {
      const caller = callers[index]!;
      if (task instanceof TaskError) caller.fail(task);
      else if (task.taskType === 'ping') caller.data({ taskType: 'ping', pong: true });
      else if (task.taskType === 'authentication') {
        caller.data({ taskType: 'authentication', connectionSessionUUID: requestId });
      } else {
        await handleTask(task, caller, context).catch((error) => caller.fail(toTaskError(error, context).of(task)));
      }
    }),
  );
  const items = callers.flatMap((caller) => caller.items);
  const [first, ...others] = callers.flatMap((caller) => caller.errors);
  if (first === undefined) return sendJson(response, 200, { data: items });
  const { status, body } = toHttpFailure([first, ...others], items);
  const { retryAfterMs } = first.details;
  if (retryAfterMs !== undefined) response.setHeader('retry-after', Math.ceil(retryAfterMs / 1000));
  sendJson(response, status, body);
}

function bearerOf(request: IncomingMessage): string | undefined {
  return /^Bearer\s+(.+)$/i.exec(request.headers.authorization ?? '')?.[1];
}

function refuseGuessing(address: string, response: ServerResponse, { keys }: Context): void {
  if (!keys.refuses(address)) return;
  response.setHeader('retry-after', '60');
  throw new TaskError('rateLimitExceeded', {
    message: 'Too many wrong keys came from this address. Try again in a minute.',
  });
}

function wrongKey(apiKey: string | undefined): TaskError {
  return new TaskError(apiKey === undefined ? 'missingApiKey' : 'invalidApiKey', {
    parameter: 'apiKey',
    type: 'string',
    taskType: 'authentication',
  });
}

async function readBody(request: IncomingMessage, response: ServerResponse, maxBytes: number): Promise<string> {
  const tooLarge = () => {
    // The rest of the body is not read, so nothing after it could be.
    response.setHeader('connection', 'close');
    return new TaskError('payloadTooLarge', { max: maxBytes });
  };
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.byteLength;
    if (length > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function servePreflight(request: IncomingMessage, response: ServerResponse, context: Context): void {
  allowReading(request, response, context);
  response.setHeader('access-control-allow-methods', 'GET, HEAD, POST, OPTIONS');
  response.setHeader('access-control-allow-headers', 'authorization, content-type, user-agent');
  response.setHeader('access-control-max-age', '600');
  response.writeHead(isAllowedOrigin(request, context) ? 204 : 403).end();
}

/** Lets the page that asked read the answer, where it may ask at all. */
function allowReading(request: IncomingMessage, response: ServerResponse, context: Context): void {
  response.setHeader('vary', 'origin');
  const { origin } = request.headers;
  if (origin !== undefined && isAllowedOrigin(request, context)) {
    response.setHeader('access-control-allow-origin', origin);
    response.setHeader('access-control-expose-headers', 'retry-after');
  }
}

/** An image is whoever's who knows its UUID, from any page: clients hand the URL on. */
async function serveImage(
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
  context: Context,
): Promise<void> {
  response.setHeader('access-control-allow-origin', '*');
  const [, imageUUID = '', extension] = /^\/images\/([0-9a-f-]{36})\.([a-z]+)$/i.exec(path) ?? [];
  const image = await context.store.find(imageUUID);
  if (image === undefined || extensions[image.format] !== extension?.toLowerCase())
    throw new TaskError('mediaNotFound');
  const maxAge =
    image.expiresAt === undefined
      ? 31_536_000
      : Math.max(0, Math.floor((image.expiresAt - context.clock.now()) / 1000));
  const etag = `"${image.imageUUID}"`;
  response.setHeader('etag', etag);
  response.setHeader('cache-control', `public, max-age=${maxAge}, immutable`);
  response.setHeader('cross-origin-resource-policy', 'cross-origin');
  // Were a browser ever to take an upload for a document, it could do nothing.
  response.setHeader('content-security-policy', "default-src 'none'; sandbox");
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304).end();
    return;
  }
  response.writeHead(200, { 'content-type': mimeType(image.format), 'content-length': image.bytes });
  if (request.method === 'HEAD') response.end();
  else {
    createReadStream(image.file)
      .on('error', () => response.destroy())
      .pipe(response);
  }
}

async function serveHealth(request: IncomingMessage, response: ServerResponse, context: Context): Promise<void> {
  const bearer = bearerOf(request);
  const address = request.socket.remoteAddress ?? '';
  const known = !context.keys.refuses(address) && context.keys.ownerOf(bearer, address) !== undefined;
  const state = await health(context);
  response.setHeader('cache-control', 'no-store');
  // A stranger learns whether it works, and nothing about what is here.
  sendJson(response, state.status === 'ok' ? 200 : 503, known ? state : { status: state.status });
}

/**
 * What is counted here, for whoever may use the server. Where keys are set that takes one of them, from loopback too:
 * behind a proxy on this machine everybody comes from there.
 */
async function serveMetrics(request: IncomingMessage, response: ServerResponse, context: Context): Promise<void> {
  const address = request.socket.remoteAddress ?? '';
  refuseGuessing(address, response, context);
  const apiKey = bearerOf(request);
  if (context.keys.ownerOf(apiKey, address) === undefined) {
    response.setHeader('www-authenticate', 'Bearer');
    throw wrongKey(apiKey);
  }
  const text = await context.metrics.text();
  response.writeHead(200, {
    'content-type': context.metrics.contentType,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  });
  response.end(request.method === 'HEAD' ? undefined : text);
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = stringifyJson(body);
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}
