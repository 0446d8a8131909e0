import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { TaskError, toHttpFailure } from '../protocol/errors.ts';
import { mimeType } from '../protocol/replies.ts';
import type { Context } from './context.ts';
import { serveTasks } from './dialects/runware/httpTasks.ts';
import { authorize, bearerOf, isAllowedOrigin, isKnownHost, originRefused, pathOf } from './http/access.ts';
import { servePage } from './http/page.ts';
import { sendBody, sendFile, sendJson } from './http/reply.ts';
import { extensions } from './images/encode.ts';
import { toTaskError } from './lifecycle/errors.ts';
import { health } from './observe/health.ts';

/** Waiting requests of one connection; browsers send one at a time. */
const maxPipelined = 16;

/** Answers HTTP requests: tasks by POST on any path, images, health, metrics and the page by GET. */
export function createRequestListener(context: Context): (request: IncomingMessage, response: ServerResponse) => void {
  const unanswered = new WeakMap<Socket, number>();
  return (request, response) => {
    const { socket } = request;
    const count = (unanswered.get(socket) ?? 0) + 1;
    if (count > maxPipelined) {
      socket.destroy();
      return;
    }
    unanswered.set(socket, count);
    response.once('close', () => unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1));
    void serveRequest(request, response, context);
  };
}

async function serveRequest(request: IncomingMessage, response: ServerResponse, context: Context): Promise<void> {
  response.setHeader('x-content-type-options', 'nosniff');
  try {
    allowReading(request, response, context);
    if (!isKnownHost(request, context)) {
      throw new TaskError('forbiddenOrigin', { message: 'This server does not serve that host name.' });
    }
    if (request.method === 'OPTIONS') return servePreflight(request, response, context);
    const path = pathOf(request);
    switch (request.method) {
      case 'POST':
        if (!isAllowedOrigin(request, context)) throw originRefused(request.headers.origin);
        return await serveTasks(request, response, context);
      case 'GET':
      case 'HEAD': {
        if (path.startsWith('/images/')) return await serveImage(path, request, response, context);
        if (path === '/health') return await serveHealth(request, response, context);
        if (path === '/metrics') return await serveMetrics(request, response, context);
        if (await servePage(path, request, response, context)) return;
        response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('Not found.\n');
        return;
      }
      default:
        response.setHeader('allow', 'GET, HEAD, POST, OPTIONS');
        throw new TaskError('methodNotAllowed');
    }
  } catch (error) {
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const failure = toTaskError(error, context);
    const { status, body } = toHttpFailure(failure);
    const { retryAfterMs } = failure.details;
    if (retryAfterMs !== undefined) response.setHeader('retry-after', Math.ceil(retryAfterMs / 1000));
    await sendJson(response, status, body, context.clock);
  }
}

function servePreflight(request: IncomingMessage, response: ServerResponse, context: Context): void {
  response.setHeader('access-control-allow-methods', 'GET, HEAD, POST, OPTIONS');
  response.setHeader('access-control-allow-headers', 'authorization, content-type, user-agent');
  response.setHeader('access-control-max-age', '600');
  response.writeHead(isAllowedOrigin(request, context) ? 204 : 403).end();
}

/** Lets an allowed page read the answer. */
function allowReading(request: IncomingMessage, response: ServerResponse, context: Context): void {
  response.setHeader('vary', 'origin');
  const { origin } = request.headers;
  if (origin !== undefined && isAllowedOrigin(request, context)) {
    response.setHeader('access-control-allow-origin', origin);
    response.setHeader('access-control-expose-headers', 'retry-after');
  }
}

/** Any page may load an image if it knows the UUID: clients share the URL. */
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
  // Harmless even if a browser took an upload for a document.
  response.setHeader('content-security-policy', "default-src 'none'; sandbox");
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304).end();
    return;
  }
  response.writeHead(200, { 'content-type': mimeType(image.format), 'content-length': image.bytes });
  if (request.method === 'HEAD') response.end();
  else await sendFile(response, image.file, context.clock);
}

async function serveHealth(request: IncomingMessage, response: ServerResponse, context: Context): Promise<void> {
  const known = isKnown(request, context);
  const state = await health(context);
  response.setHeader('cache-control', 'no-store');
  // A caller without a key learns only whether the server works.
  await sendJson(response, state.status === 'ok' ? 200 : 503, known ? state : { status: state.status }, context.clock);
}

/**
 * Metrics, for whoever may use the server. If keys are set this needs one, also from loopback: all requests through a
 * proxy on this machine come from there.
 */
async function serveMetrics(request: IncomingMessage, response: ServerResponse, context: Context): Promise<void> {
  if (!context.keys.open) response.setHeader('www-authenticate', 'Bearer');
  authorize(bearerOf(request), context.proxies.addressOf(request), context);
  response.removeHeader('www-authenticate');
  const text = await context.metrics.text();
  response.writeHead(200, {
    'content-type': context.metrics.contentType,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  });
  if (request.method === 'HEAD') response.end();
  else await sendBody(response, [text], context.clock);
}

/** Whether the request has a valid key, or needs none. */
function isKnown(request: IncomingMessage, context: Context): boolean {
  const apiKey = bearerOf(request);
  if (context.keys.ownerOf(apiKey) !== undefined) return true;
  if (apiKey !== undefined) context.keys.countWrong(context.proxies.addressOf(request));
  return false;
}
