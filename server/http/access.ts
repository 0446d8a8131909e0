import type { IncomingMessage } from 'node:http';
import { TaskError } from '../../protocol/errors.ts';
import { isLoopbackHost } from '../config/config.ts';
import type { Context } from '../context.ts';

/**
 * Whether the Host header names this server. A foreign page can make its own name resolve to 127.0.0.1 (DNS rebinding),
 * which gives it the same origin as an open server on this machine. Its Host header shows that.
 */
export function isKnownHost(request: IncomingMessage, { config, keys }: Context): boolean {
  if (!keys.open || !isLoopbackHost(config.host)) return true;
  const host = hostnameOf(request.headers.host);
  if (host === undefined) return false;
  if (isLoopbackHost(host) || host === config.host.toLowerCase()) return true;
  return config.publicUrl !== '' && host === new URL(config.publicUrl).hostname;
}

/** The path of a request. Throws `invalidRequest` if its target is not a URL of this server. */
export function pathOf(request: IncomingMessage): string {
  const target = request.url ?? '';
  // The URL parser reads `//host/path` as another host.
  const isPath = target.startsWith('/') && !target.startsWith('//');
  if ((isPath || /^https?:\/\//i.test(target)) && URL.canParse(target, 'http://localhost')) {
    return new URL(target, 'http://localhost').pathname;
  }
  throw new TaskError('invalidRequest', { message: 'The target of the request is not a URL of this server.' });
}

/** Error for pages that may not use this server. */
export function originRefused(origin: string | undefined): TaskError {
  return new TaskError('forbiddenOrigin', {
    message: `Pages of ${origin?.slice(0, 200) ?? 'this origin'} may not use this server. Its operator can allow them with --allowed-origins.`,
  });
}

/**
 * Whether a request may come from its page. Browsers let any page open sockets and post to any address, including this
 * machine. Without keys, only the origin identifies the user's own pages.
 */
export function isAllowedOrigin(request: IncomingMessage, { config, keys }: Context): boolean {
  const { origin } = request.headers;
  if (origin === undefined || !keys.open) return true;
  if (config.allowedOrigins.includes('*') || config.allowedOrigins.includes(origin)) return true;
  if (!URL.canParse(origin)) return false;
  if (config.publicUrl !== '' && new URL(config.publicUrl).origin === origin) return true;
  return new URL(origin).host === request.headers.host?.toLowerCase();
}

/** Base of image URLs for this request: the address of the request, unless a public one is set. */
export function baseUrlOf(request: IncomingMessage, { config, proxies, url }: Context): string {
  if (config.publicUrl !== '') return config.publicUrl;
  const { host = request.headers.host, protocol = 'http' } = proxies.forwarded(request);
  const isPlain = host !== undefined && /^[\w.-]+(:\d+)?$|^\[[0-9a-f:.]+\](:\d+)?$/i.test(host);
  const base = `${protocol}://${host}`;
  // For example a port above 65535.
  return isPlain && URL.canParse(base) ? base : url;
}

/** The key in a request's header. */
export function bearerOf(request: IncomingMessage): string | undefined {
  return /^Bearer\s+(.+)$/i.exec(request.headers.authorization ?? '')?.[1];
}

/** The owner of a key. Throws `missingApiKey`, `invalidApiKey`, or `rateLimitExceeded` after too many wrong keys. */
export function authorize(apiKey: string | undefined, address: string, { keys, log }: Context): string {
  const owner = keys.ownerOf(apiKey);
  if (owner !== undefined) return owner;
  const details = { parameter: 'apiKey', type: 'string', taskType: 'authentication' };
  if (apiKey === undefined) throw new TaskError('missingApiKey', details);
  const isGuessing = keys.countWrong(address);
  log.info({ address, isGuessing }, 'A key was refused.');
  if (!isGuessing) throw new TaskError('invalidApiKey', details);
  throw new TaskError('rateLimitExceeded', {
    ...details,
    message: 'Invalid API key. Too many wrong keys came from this network; try again in a minute.',
    retryAfterMs: 60_000,
  });
}

function hostnameOf(host: string | undefined): string | undefined {
  if (host === undefined || !URL.canParse(`http://${host}`)) return undefined;
  return new URL(`http://${host}`).hostname;
}
