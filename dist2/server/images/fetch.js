import { promises as dns, lookup as systemLookup } from 'node:dns';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { ImageError } from './imageError.js';

const maxRedirects = 5;
/** How long one question to a name server may take; it is asked twice. */
const nameTimeoutMs = 3_000;
/** IPv4 networks that are not the public internet (RFC 6890 and its registry). */
const privateIPv4 = [
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
const privateIPv6 = [
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
export function isPublicAddress(address) {
  const family = net.isIP(address);
  if (family === 4) return !privateNetworks.check(address, 'ipv4');
  if (family === 6) return publicIPv6.check(address, 'ipv6') && !privateNetworks.check(address, 'ipv6');
  return false;
}
/**
 * Fetches an image by URL. The address is judged where it is connected to, not where the name is read: a name that
 * resolves differently the second time, a redirect, or an odd spelling of an address gains nothing.
 */
export async function fetchImage(url, options) {
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
function request(text, options, signal) {
  const url = parseUrl(text);
  // The URL parser has already turned decimal, octal and hexadecimal spellings into a dotted address.
  const literal = url.hostname.replace(/^\[|\]$/g, '');
  if (net.isIP(literal) !== 0 && !options.mayConnect(literal)) throw privateAddress();
  const { promise, resolve, reject } = withResolvers();
  const sending = (url.protocol === 'https:' ? https : http).get(url, {
    signal,
    agent: false,
    lookup: resolveAllowed(options, signal),
    headers: { accept: 'image/png, image/jpeg, image/webp', 'accept-encoding': 'identity', 'user-agent': 'latentwire' },
  });
  sending.on('socket', (socket) => {
    socket.on('connect', () => {
      // The last word: whatever came between the name and the socket, this is where the request would go.
      const address = socket.remoteAddress;
      if (address === undefined || !options.mayConnect(address)) sending.destroy(privateAddress());
    });
  });
  let isAnswered = false;
  // After the answer has begun, its reader tells what is wrong, such as that it is too large.
  sending.on('error', (cause) => isAnswered || reject(asImageError(cause, signal)));
  sending.on('response', (response) => {
    isAnswered = true;
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
    readBody(response, options.maxBytes).then(resolve, (cause) => reject(asImageError(cause, signal)));
  });
  return promise;
}
/** Reads a body, decoded where the server encoded it although it was asked not to. */
async function readBody(response, maxBytes) {
  const tooLarge = () => new ImageError(`The image at the URL has more than ${maxBytes} bytes, the largest allowed.`);
  if (Number(response.headers['content-length'] ?? 0) > maxBytes) {
    response.destroy();
    throw tooLarge();
  }
  const chunks = [];
  let length = 0;
  // The bytes are counted behind the decoders: a kilobyte may become a gigabyte.
  const collect = async (decoded) => {
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
    // Streams that are stopped in the middle complain of that; the reason is here.
    throw length > maxBytes ? tooLarge() : error;
  }
  if (length > maxBytes) throw tooLarge();
  return Buffer.concat(chunks, length);
}
/** In the order in which they are to be applied: the encoding that was applied last comes first. */
function decodersOf(header) {
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
function parseUrl(text) {
  let url;
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
/**
 * Takes the place of the lookup inside `net.connect`, so that the address checked is the address connected to. Names are
 * resolved without `getaddrinfo`, which holds one of the few threads of the process for as long as a silent name server likes.
 */
function resolveAllowed({ mayConnect, usesSystemNames = false }, signal) {
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
function lookupOfSystem(hostname) {
  return new Promise((resolve, reject) => {
    systemLookup(hostname, { all: true }, (error, found) => (error === null ? resolve(found) : reject(error)));
  });
}
/** Asks the name servers. What the hosts file names is this machine or a private network, so it is refused all the same. */
async function lookupByServers(hostname, signal) {
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
function privateAddress() {
  return new ImageError('URLs that lead to this machine or to a private network are not fetched here.');
}
function asImageError(cause, signal) {
  if (cause instanceof ImageError) return cause;
  if (signal.aborted) return new ImageError('The URL was not answered in time.', 'download', { cause });
  // Which step failed (name, connection, certificate) would tell a stranger about the network; the log has it.
  return new ImageError('The URL could not be fetched.', 'download', { cause });
}
function withResolvers() {
  let resolve;
  let reject;
  const promise = new Promise((fulfil, refuse) => {
    resolve = fulfil;
    reject = refuse;
  });
  return { promise, resolve, reject };
}
//# sourceMappingURL=fetch.js.map
