import type { IncomingMessage } from 'node:http';
import { isIPv6 } from 'node:net';
import { isLoopbackHost } from './config.ts';
import type { Context } from './context.ts';

/**
 * Whether a request names this server by a name it has. A page of a stranger can let its own name resolve to 127.0.0.1
 * (DNS rebinding) and would then be of the same origin as an open server on this machine; its Host header gives it away.
 */
export function isKnownHost(request: IncomingMessage, { config, keys }: Context): boolean {
  if (!keys.open || !isLoopbackHost(config.host)) return true;
  const host = hostnameOf(request.headers.host);
  if (host === undefined) return false;
  if (isLoopbackHost(host) || host === config.host.toLowerCase()) return true;
  return config.publicUrl !== '' && host === new URL(config.publicUrl).hostname;
}

/**
 * Whether the page that sent a request, if it was a page, may use this server. Browsers let any page open sockets and
 * post to any address, this machine's included; without keys only the origin tells the user's own pages from others.
 */
export function isAllowedOrigin(request: IncomingMessage, { config, keys }: Context): boolean {
  const { origin } = request.headers;
  if (origin === undefined || !keys.open) return true;
  if (config.allowedOrigins.includes('*') || config.allowedOrigins.includes(origin)) return true;
  if (!URL.canParse(origin)) return false;
  if (config.publicUrl !== '' && new URL(config.publicUrl).origin === origin) return true;
  return new URL(origin).host === request.headers.host?.toLowerCase();
}

/** What image URLs begin with for whoever sent this request: the address it came by, unless a public one is set. */
export function baseUrlOf(request: IncomingMessage, { config, url }: Context): string {
  if (config.publicUrl !== '') return config.publicUrl;
  const { host } = request.headers;
  return host !== undefined && /^[\w.-]+(:\d+)?$|^\[[0-9a-f:.]+\](:\d+)?$/i.test(host) ? `http://${host}` : url;
}

/** Addresses that one client may have at will count as one: those of a 64 bit network of IPv6, and an IPv4 address in its IPv6 form. */
export function networkOf(address: string): string {
  const [, mapped] = /^::ffff:([\d.]+)$/i.exec(address) ?? [];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(address)) return address;
  const [head = '', tail] = address.split('%')[0]!.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const [before, after] = [groups(head), groups(tail ?? '')];
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...new Array<string>(zeros).fill('0'), ...after].slice(0, 4).join(':');
}

function hostnameOf(host: string | undefined): string | undefined {
  if (host === undefined || !URL.canParse(`http://${host}`)) return undefined;
  return new URL(`http://${host}`).hostname;
}
