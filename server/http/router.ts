import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import findMyWay from 'find-my-way';
import { TaskError, toHttpFailure } from '../../protocol/errors.ts';
import type { Context } from '../context.ts';
import { toTaskError } from '../lifecycle/errors.ts';
import { isAllowedOrigin, isKnownHost, originRefused, pathOf } from './access.ts';
import { sendJson } from './reply.ts';

/** One request and its response. */
export interface Exchange {
  /** Path of the request's URL. */
  path: string;
  /** Parts of the path by the names in the route; `*` for the rest. */
  params: Readonly<Record<string, string | undefined>>;
  request: IncomingMessage;
  response: ServerResponse;
  context: Context;
}

/** The handler of a path. A GET route also answers HEAD. */
export interface Route {
  method: 'GET' | 'POST';
  /** In the notation of find-my-way: `/images/*`. More specific routes win. */
  path: string;
  /** Throws the error for the response. */
  serve: (exchange: Exchange) => Promise<void>;
}

/** Waiting requests of one connection; browsers send one at a time. */
const maxPipelined = 16;

/** Answers HTTP requests by a table of routes. */
export function createRequestListener(
  routes: readonly Route[],
  context: Context,
): (request: IncomingMessage, response: ServerResponse) => void {
  const router = findMyWay<findMyWay.HTTPVersion.V1>();
  for (const { method, path, serve } of routes) {
    router.on(method === 'GET' ? ['GET', 'HEAD'] : method, path, () => {}, serve);
  }
  const allowed = [...new Set(routes.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))];
  const methods = [...allowed, 'OPTIONS'].join(', ');

  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    response.setHeader('x-content-type-options', 'nosniff');
    try {
      allowReading(request, response, context);
      if (!isKnownHost(request, context)) {
        throw new TaskError('forbiddenOrigin', { message: 'This server does not serve that host name.' });
      }
      if (request.method === 'OPTIONS') return servePreflight(request, response, methods, context);
      const path = pathOf(request);
      const method = request.method as findMyWay.HTTPMethod;
      // A path with broken percent encoding matches no route; the wildcard takes it.
      const found = router.find(method, path) ?? router.find(method, '/*');
      if (!found) {
        response.setHeader('allow', methods);
        throw new TaskError('methodNotAllowed');
      }
      // Browsers let any page post to any address.
      if (request.method === 'POST' && !isAllowedOrigin(request, context)) throw originRefused(request.headers.origin);
      await (found.store as Route['serve'])({ path, params: found.params, request, response, context });
    } catch (error) {
      await refuse(error, response, context);
    }
  };

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
    void serve(request, response);
  };
}

async function refuse(error: unknown, response: ServerResponse, context: Context): Promise<void> {
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

function servePreflight(request: IncomingMessage, response: ServerResponse, methods: string, context: Context): void {
  response.setHeader('access-control-allow-methods', methods);
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
