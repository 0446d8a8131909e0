import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, isIPv6 } from 'node:net';

/** Names of groups of networks in `--trusted-proxy`. */
const words: Record<string, readonly string[]> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', 'fe80::/10'],
};

/** Parses an entry of `--trusted-proxy`; undefined if it is neither an address, a CIDR network, nor a name. */
export function parseProxy(text: string): string | undefined {
  const entry = text.trim().toLowerCase();
  if (Object.hasOwn(words, entry)) return entry;
  const [address = '', prefix, ...rest] = entry.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return undefined;
  if (prefix === undefined) return entry;
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128) ? entry : undefined;
}

/** The trusted reverse proxies, whose headers give the client's address and URL. */
export class Proxies {
  readonly #trusted = new BlockList();

  /** @param entries - addresses, CIDR networks and names, from `parseProxy` */
  constructor(entries: readonly string[]) {
    for (const entry of entries.flatMap((each) => words[each] ?? [each])) {
      const [address = '', prefix] = entry.split('/');
      const family = isIPv6(address) ? 'ipv6' : 'ipv4';
      if (prefix === undefined) this.#trusted.addAddress(address, family);
      else this.#trusted.addSubnet(address, Number(prefix), family);
    }
  }

  /**
   * The address of the client. `X-Forwarded-For` is read from the right, because every proxy appends the address that
   * it saw: the first address that is not a trusted proxy is the client's. The client itself may have written the
   * addresses left of it.
   */
  addressOf(request: IncomingMessage): string {
    let address = plainAddress(request.socket.remoteAddress ?? '');
    const hops = headerOf(request, 'x-forwarded-for').split(',');
    while (this.#trusts(address)) {
      const before = addressIn(hops.pop());
      if (before === undefined) break;
      address = before;
    }
    return address;
  }

  /** The URL according to a trusted proxy; empty for other requests. */
  forwarded(request: IncomingMessage): { host?: string; protocol?: string } {
    if (!this.#trusts(plainAddress(request.socket.remoteAddress ?? ''))) return {};
    const host = lastOf(headerOf(request, 'x-forwarded-host'));
    const protocol = lastOf(headerOf(request, 'x-forwarded-proto')).toLowerCase();
    return { ...(host !== '' && { host }), ...((protocol === 'http' || protocol === 'https') && { protocol }) };
  }

  #trusts(address: string): boolean {
    const version = isIP(address);
    return version !== 0 && this.#trusted.check(address, version === 6 ? 'ipv6' : 'ipv4');
  }
}

/**
 * The network that counts as one client: an IPv4 address, or the 64 bits of an IPv6 network of one customer.
 *
 * @param bits - of an IPv6 address, a multiple of 16; IPv4 uses half of it, up to 32
 */
export function networkOf(address: string, bits = 64): string {
  const plain = plainAddress(address);
  if (!isIPv6(plain))
    return plain
      .split('.')
      .slice(0, Math.min(4, bits / 16))
      .join('.');
  const [head = '', tail] = plain.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const [before, after] = [groups(head), groups(tail ?? '')];
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...new Array<string>(zeros).fill('0'), ...after].slice(0, bits / 16).join(':');
}

/** Converts an IPv4-mapped address to IPv4, and removes a zone. */
function plainAddress(address: string): string {
  const [plain = ''] = address.split('%');
  return /^::ffff:([\d.]+)$/i.exec(plain)?.[1] ?? plain;
}

/** Some proxies append the port: `192.0.2.1:443`, `[2001:db8::1]:443`. */
function addressIn(hop: string | undefined): string | undefined {
  const text = hop?.trim() ?? '';
  const address = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
  return isIP(address) === 0 ? undefined : plainAddress(address);
}

function headerOf({ headers }: IncomingMessage, name: string): string {
  const value = headers[name];
  return Array.isArray(value) ? value.join(',') : (value ?? '');
}

function lastOf(list: string): string {
  return list.split(',').at(-1)!.trim();
}
