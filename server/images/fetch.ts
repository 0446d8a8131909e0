import { type LookupAddress, lookup as resolveName } from 'node:dns';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { ImageError } from './imageError.ts';

export interface FetchOptions {
  /** The answer is cut off, and refused, beyond this many bytes. */
  maxBytes: number;
  /** Says which addresses may be connected to: `isPublicAddress`, unless every client is trusted with the network. */
  mayConnect: (address: string) => boolean;
  /** For the whole fetch, redirects included. */
  timeoutMs: number;
  /** Ends it when nobody waits for the image any more. */
  signal?: AbortSignal | undefined;
}

const maxRedirects = 5;

/** IPv4 networks that are not the public internet (RFC 6890 and its registry). */
const privateIPv4: [string, number][] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
];

/**
 * Inside 2000::/3, the only public IPv6 range: Teredo and other protocol assignments, documentation, and 6to4, which
 * carries an IPv4 address of anyone's choice. Mapped (::ffff:0:0/96), NAT64 (64:ff9b::/96, 64:ff9b:1::/48), loopback,
 * link-local and unique local addresses lie outside it.
 */
const privateIPv6: [string, number][] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];

const privateNetworks = new net.BlockList();
for (const [address, prefix] of privateIPv4) privateNetworks.addSubnet(address, prefix, 'ipv4');
for (const [address, prefix] of privateIPv6) privateNetworks.addSubnet(address, prefix, 'ipv6');
const publicIPv6 = new net.BlockList();
publicIPv6.addSubnet('2000::', 3, 'ipv6');

/** Whether an address, as the operating system would connect to it, is part of the public internet. */
export function isPublicAddress(address: string): boolean {
  const family = net.isIP(address);
  if (family === 4) return !privateNetworks.check(address, 'ipv4');
  if (family === 6) return publicIPv6.check(address, 'ipv6') && !privateNetworks.check(address, 'ipv6');
  return false;
}

/**
 * Fetches an image by URL. The address is judged where it is connected to, not where the name is read: a name that
 * resolves differently the second time, a redirect, or an odd spelling of an address gains nothing.
 */
export async function fetchImage(url: string, options: FetchOptions): Promise<Buffer> {
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
  let current = url;
  for (let redirects = 0; redirects <= maxRedirects; redirects++) {
    const answer = await request(current, options, signal);
    if (Buffer.isBuffer(answer)) return answer;
    current = answer.location;
  }
  throw new ImageError(`The URL leads through more than ${maxRedirects} redirects.`, 'download');
}

function request(text: string, options: FetchOptions, signal: AbortSignal): Promise<Buffer | { location: string }> {
  const url = parseUrl(text);
  // The URL parser has already turned decimal, octal and hexadecimal spellings into a dotted address.
  const literal = url.hostname.replace(/^\[|\]$/g, '');
  if (net.isIP(literal) !== 0 && !options.mayConnect(literal)) throw privateAddress();

  const { promise, resolve, reject } = withResolvers<Buffer | { location: string }>();
  const sending = (url.protocol === 'https:' ? https : http).get(url, {
    signal,
    agent: false,
    lookup: resolveAllowed(options.mayConnect),
    headers: { accept: 'image/png, image/jpeg, image/webp', 'accept-encoding': 'identity', 'user-agent': 'latentwire' },
  });
  sending.on('socket', (socket) => {
    socket.on('connect', () => {
      // The last word: whatever came between the name and the socket, this is where the request would go.
      const address = socket.remoteAddress;
      if (address === undefined || !options.mayConnect(address)) sending.destroy(privateAddress());
    });
  });
  sending.on('error', (cause) => reject(asImageError(cause, signal)));
  sending.on('response', (response) => {
    const status = response.statusCode ?? 0;
    if (status >= 300 && status < 400 && response.headers.location !== undefined) {
      response.destroy();
      try {
        resolve({ location: new URL(response.headers.location, url).href });
      } catch {
        reject(new ImageError('The URL redirects to something that is not a URL.', 'download'));
      }
      return;
    }
    if (status !== 200) {
      response.destroy();
      reject(new ImageError(`The URL was answered with status ${status}.`, 'download'));
      return;
    }
    const chunks: Buffer[] = [];
    let length = 0;
    response.on('data', (chunk: Buffer) => {
      length += chunk.byteLength;
      if (length > options.maxBytes) {
        response.destroy();
        reject(new ImageError(`The image at the URL has more than ${options.maxBytes} bytes, the largest allowed.`));
        return;
      }
      chunks.push(chunk);
    });
    response.on('error', (cause) => reject(asImageError(cause, signal)));
    response.on('end', () => resolve(Buffer.concat(chunks)));
  });
  return promise;
}

function parseUrl(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw new ImageError('The URL cannot be read.', 'invalid', { cause });
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new ImageError('Only http and https URLs are fetched.');
  }
  if (url.username !== '' || url.password !== '')
    throw new ImageError('URLs with a user name or password are refused.');
  return url;
}

/** Takes the place of the lookup inside `net.connect`, so that the address checked is the address connected to. */
function resolveAllowed(mayConnect: (address: string) => boolean): net.LookupFunction {
  return (hostname, options, callback) => {
    resolveName(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, '', 0);
      const addresses: LookupAddress[] = found.filter(({ address }) => mayConnect(address));
      const first = addresses[0];
      if (first === undefined) return callback(privateAddress(), '', 0);
      if (options.all === true) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

function privateAddress(): ImageError {
  return new ImageError('URLs that lead to this machine or to a private network are not fetched here.');
}

function asImageError(cause: unknown, signal: AbortSignal): ImageError {
  if (cause instanceof ImageError) return cause;
  if (signal.aborted) return new ImageError('The URL was not answered in time.', 'download', { cause });
  // Which step failed (name, connection, certificate) would tell a stranger about the network; the log has it.
  return new ImageError('The URL could not be fetched.', 'download', { cause });
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: Error) => void } {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((fulfil, refuse) => {
    resolve = fulfil;
    reject = refuse;
  });
  return { promise, resolve, reject };
}
