import type { IncomingMessage } from 'node:http';
import type { Context } from '../context.ts';
import { health } from '../observe/health.ts';
import { authorize, bearerOf } from './access.ts';
import { sendBody, sendJson } from './reply.ts';
import type { Exchange } from './router.ts';

export async function serveHealth({ request, response, context }: Exchange): Promise<void> {
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
export async function serveMetrics({ request, response, context }: Exchange): Promise<void> {
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
