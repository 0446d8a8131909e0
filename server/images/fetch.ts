import { promises as dns, type LookupAddress, lookup as systemLookup } from 'node:dns';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { ImageError } from './imageError.ts';

export interface FetchOptions {
  /** Limit of the response in bytes. */
  maxBytes: number;
  /** Whether an address may be connected to: `isPublicAddress`, unless every client is trusted with the network. */
  mayConnect: (address: string) => boolean;
  /** Whether names are resolved by the system, with its hosts file and search domains. Default false. */
  usesSystemNames?: boolean;
  /** Time limit of the download, including redirects. */
  timeoutMs: number;
  /** Aborted when nobody waits for the image any more. */
  signal?: AbortSignal | undefined;
}

const maxRedirects = 5;
/** Time limit of one DNS query; it is sent twice. */
const nameTimeoutMs = 3_000;

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
 * Non-public ranges inside 2000::/3, the only public IPv6 range: Teredo and other protocol assignments, documentation,
 * and 6to4, which embeds an arbitrary IPv4 address. Mapped (::ffff:0:0/96), NAT64 (64:ff9b::/96, 64:ff9b:1::/48),
 * loopback, link-local and unique local addresses are outside it.
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

/** Whether an address is on the public internet. */
export function isPublicAddress(address: string): boolean {
  const family = net.isIP(address);
  if (family === 4) return !privateNetworks.check(address, 'ipv4');
  if (family === 6) return publicIPv6.check(address, 'ipv6') && !privateNetworks.check(address, 'ipv6');
  return false;
}

/**
 * Downloads an image. The check applies to the connected address, not to the name: a name that resolves differently the
 * second time, a redirect, or an unusual spelling of an address cannot bypass it.
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
  throw new ImageError(`The URL redirects more than ${maxRedirects} redirects.`, 'download');
}

function request(text: string, options: FetchOptions, signal: AbortSignal): Promise<Buffer | { location: string }> {
  const url = parseUrl(text);
  // The URL parser has converted decimal, octal and hexadecimal spellings to a dotted address.
  const literal = url.hostname.replace(/^\[|\]$/g, '');
  if (net.isIP(literal) !== 0 && !options.mayConnect(literal)) throw privateAddress();

  const { promise, resolve, reject } = withResolvers<Buffer | { location: string }>();
  const sending = (url.protocol === 'https:' ? https : http).get(url, {
    signal,
    agent: false,
    lookup: resolveAllowed(options, signal),
    headers: { accept: 'image/png, image/jpeg, image/webp', 'accept-encoding': 'identity', 'user-agent': 'latentwire' },
  });
  sending.on('socket', (socket) => {
    socket.on('connect', () => {
      // Final check of the address that the socket is connected to.
      const address = socket.remoteAddress;
      if (address === undefined || !options.mayConnect(address)) sending.destroy(privateAddress());
    });
  });
  let isAnswered = false;
  // Once the response has begun, its reader reports errors, such as its size.
  sending.on('error', (cause) => isAnswered || reject(asImageError(cause, signal)));
  sending.on('response', (response) => {
    isAnswered = true;
    const status = response.statusCode ?? 0;
    if (status >= 300 && status < 400 && response.headers.location !== undefined) {
      response.destroy();
      try {
        resolve({ location: new URL(response.headers.location, url).href });
      } catch {
        reject(new ImageError('The URL redirects to an invalid URL.', 'download'));
      }
      return;
    }
    if (status !== 200) {
      response.destroy();
      reject(new ImageError(`The server of the URL answered with status ${status}.`, 'download'));
      return;
    }
    readBody(response, options.maxBytes).then(resolve, (cause) => reject(asImageError(cause, signal)));
  });
  return promise;
}

/** Reads a body, decoded if the server encoded it although the request did not allow that. */
async function readBody(response: http.IncomingMessage, maxBytes: number): Promise<Buffer> {
  const tooLarge = () => new ImageError(`The image at the URL has more than ${maxBytes} bytes, the largest allowed.`);
  if (Number(response.headers['content-length'] ?? 0) > maxBytes) {
    response.destroy();
    throw tooLarge();
  }
  const chunks: Buffer[] = [];
  let length = 0;
  // Counts decoded bytes: a kilobyte may become a gigabyte.
  const collect = async (decoded: AsyncIterable<Buffer>) => {
    for await (const chunk of decoded) {
      length += chunk.byteLength;
      if (length > maxBytes) return;
      chunks.push(chunk);
    }
  };
  const [first, second] = decodersOf(response.headers['content-encoding']);
  try {
    if (first === undefined) await pipeline(response, collect);
    else if (second === undefined) await pipeline(response, first, collect);
    else await pipeline(response, first, second, collect);
  } catch (error) {
    // Streams aborted midway report that; this is the actual reason.
    throw length > maxBytes ? tooLarge() : error;
  }
  if (length > maxBytes) throw tooLarge();
  return Buffer.concat(chunks, length);
}

/** In the order of decoding: the last encoding first. */
function decodersOf(header: string | undefined) {
  const names = (header ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim());
  const encodings = names.filter((name) => name !== '' && name !== 'identity').reverse();
  if (encodings.length > 2) throw new ImageError('The image at the URL is encoded more than twice.', 'download');
  return encodings.map((name) => {
    if (name === 'gzip' || name === 'x-gzip') return createGunzip();
    if (name === 'deflate') return createInflate();
    if (name === 'br') return createBrotliDecompress();
    throw new ImageError('The image at the URL has a Content-Encoding other than gzip, deflate or br.', 'download');
  });
}

function parseUrl(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch (cause) {
    throw new ImageError('The URL is invalid.', 'invalid', { cause });
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new ImageError('Only http and https URLs are allowed.');
  }
  if (url.username !== '' || url.password !== '')
    throw new ImageError('URLs with a user name or password are refused.');
  return url;
}

/**
 * Replaces the lookup inside `net.connect`, so that the checked address is the connected one. Does not use
 * `getaddrinfo`, which blocks one of the few threads of the process while a name server is silent.
 */
function resolveAllowed(
  { mayConnect, usesSystemNames = false }: FetchOptions,
  signal: AbortSignal,
): net.LookupFunction {
  return (hostname, options, callback) => {
    const addressesOf = usesSystemNames ? lookupOfSystem : lookupByServers;
    addressesOf(hostname, signal).then(
      (found) => {
        const addresses = found.filter(({ address }) => mayConnect(address));
        const first = addresses[0];
        if (first === undefined) callback(privateAddress(), '', 0);
        else if (options.all === true) callback(null, addresses);
        else callback(null, first.address, first.family);
      },
      (error) => callback(error, '', 0),
    );
  };
}

function lookupOfSystem(hostname: string): Promise<LookupAddress[]> {
  return new Promise((resolve, reject) => {
    systemLookup(hostname, { all: true }, (error, found) => (error === null ? resolve(found) : reject(error)));
  });
}

/**
 * Queries the name servers. Names of the hosts file are of this machine or a private network, which is refused anyway.
 */
async function lookupByServers(hostname: string, signal: AbortSignal): Promise<LookupAddress[]> {
  const name = hostname.replace(/\.$/, '').toLowerCase();
  if (name === 'localhost' || name.endsWith('.localhost')) return [{ address: '127.0.0.1', family: 4 }];
  const resolver = new dns.Resolver({ timeout: nameTimeoutMs, tries: 2 });
  const cancel = () => resolver.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    const [four, six] = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
    const found = [
      ...(four.status === 'fulfilled' ? four.value.map((address) => ({ address, family: 4 })) : []),
      ...(six.status === 'fulfilled' ? six.value.map((address) => ({ address, family: 6 })) : []),
    ];
    if (found.length === 0 && four.status === 'rejected') throw four.reason;
    return found;
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

function privateAddress(): ImageError {
  return new ImageError('URLs of this machine and of private networks are not allowed.');
}

function asImageError(cause: unknown, signal: AbortSignal): ImageError {
  if (cause instanceof ImageError) return cause;
  if (signal.aborted) return new ImageError('The server of the URL did not answer in time.', 'download', { cause });
  // The failed step (name, connection, certificate) would reveal the network to a client; the log has it.
  return new ImageError('The URL could not be downloaded.', 'download', { cause });
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
