import { TaskError } from '../protocol/errors.js';
import { isLoopbackHost } from './config.js';
/**
 * Whether a request names this server by a name it has. A page of a stranger can let its own name resolve to 127.0.0.1
 * (DNS rebinding) and would then be of the same origin as an open server on this machine; its Host header gives it away.
 */
export function isKnownHost(request, { config, keys }) {
  if (!keys.open || !isLoopbackHost(config.host)) return true;
  const host = hostnameOf(request.headers.host);
  if (host === undefined) return false;
  if (isLoopbackHost(host) || host === config.host.toLowerCase()) return true;
  return config.publicUrl !== '' && host === new URL(config.publicUrl).hostname;
}
/** The path that a request asks for. Throws `invalidRequest` where its target is no URL of this server. */
export function pathOf(request) {
  const target = request.url ?? '';
  // `//host/path` would be read as another host.
  const isPath = target.startsWith('/') && !target.startsWith('//');
  if ((isPath || /^https?:\/\//i.test(target)) && URL.canParse(target, 'http://localhost')) {
    return new URL(target, 'http://localhost').pathname;
  }
  throw new TaskError('invalidRequest', { message: 'The target of the request is not a URL of this server.' });
}
/** Said to pages that may not use this server. */
export function originRefused(origin) {
  return new TaskError('forbiddenOrigin', {
    message: `Pages of ${origin?.slice(0, 200) ?? 'this origin'} may not use this server. Its operator can allow them with --allowed-origins.`,
  });
}
/**
 * Whether the page that sent a request, if it was a page, may use this server. Browsers let any page open sockets and
 * post to any address, this machine's included; without keys only the origin tells the user's own pages from others.
 */
export function isAllowedOrigin(request, { config, keys }) {
  const { origin } = request.headers;
  if (origin === undefined || !keys.open) return true;
  if (config.allowedOrigins.includes('*') || config.allowedOrigins.includes(origin)) return true;
  if (!URL.canParse(origin)) return false;
  if (config.publicUrl !== '' && new URL(config.publicUrl).origin === origin) return true;
  return new URL(origin).host === request.headers.host?.toLowerCase();
}
/** What image URLs begin with for whoever sent this request: the address it came by, unless a public one is set. */
export function baseUrlOf(request, { config, proxies, url }) {
  if (config.publicUrl !== '') return config.publicUrl;
  const { host = request.headers.host, protocol = 'http' } = proxies.forwarded(request);
  const isPlain = host !== undefined && /^[\w.-]+(:\d+)?$|^\[[0-9a-f:.]+\](:\d+)?$/i.test(host);
  const base = `${protocol}://${host}`;
  // Such as a port beyond 65535.
  return isPlain && URL.canParse(base) ? base : url;
}
/** The key in a request's header. */
export function bearerOf(request) {
  return /^Bearer\s+(.+)$/i.exec(request.headers.authorization ?? '')?.[1];
}
/** The owner behind a key. Throws `missingApiKey`, `invalidApiKey`, or `rateLimitExceeded` after too many wrong keys. */
export function authorize(apiKey, address, { keys, log }) {
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
function hostnameOf(host) {
  if (host === undefined || !URL.canParse(`http://${host}`)) return undefined;
  return new URL(`http://${host}`).hostname;
}
//# sourceMappingURL=access.js.map
