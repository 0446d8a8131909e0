import { BlockList, isIP, isIPv6 } from 'node:net';

/** Words that stand for several networks in `--trusted-proxy`. */
const words = {
  loopback: ['127.0.0.0/8', '::1/128'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', 'fe80::/10'],
};
/** Reads an entry of `--trusted-proxy`; undefined where it is neither an address, nor a CIDR network, nor one of the words. */
export function parseProxy(text) {
  const entry = text.trim().toLowerCase();
  if (Object.hasOwn(words, entry)) return entry;
  const [address = '', prefix, ...rest] = entry.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return undefined;
  if (prefix === undefined) return entry;
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128) ? entry : undefined;
}
/** Knows the reverse proxies whose word is taken for who a client is and by what address it came. */
export class Proxies {
  #trusted = new BlockList();
  /** @param entries - addresses, CIDR networks and words, as `parseProxy` reads them */
  constructor(entries) {
    for (const entry of entries.flatMap((each) => words[each] ?? [each])) {
      const [address = '', prefix] = entry.split('/');
      const family = isIPv6(address) ? 'ipv6' : 'ipv4';
      if (prefix === undefined) this.#trusted.addAddress(address, family);
      else this.#trusted.addSubnet(address, Number(prefix), family);
    }
  }
  /**
   * The address of the client. `X-Forwarded-For` is read from the right, since every proxy appends the address that it saw:
   * the first one that is no trusted proxy is the client's. What stands further left is what the client itself wrote.
   */
  addressOf(request) {
    let address = plainAddress(request.socket.remoteAddress ?? '');
    const hops = headerOf(request, 'x-forwarded-for').split(',');
    while (this.#trusts(address)) {
      const before = addressIn(hops.pop());
      if (before === undefined) break;
      address = before;
    }
    return address;
  }
  /** What a trusted proxy says the client asked for; nothing where the request comes from elsewhere. */
  forwarded(request) {
    if (!this.#trusts(plainAddress(request.socket.remoteAddress ?? ''))) return {};
    const host = lastOf(headerOf(request, 'x-forwarded-host'));
    const protocol = lastOf(headerOf(request, 'x-forwarded-proto')).toLowerCase();
    return { ...(host !== '' && { host }), ...((protocol === 'http' || protocol === 'https') && { protocol }) };
  }
  #trusts(address) {
    const version = isIP(address);
    return version !== 0 && this.#trusted.check(address, version === 6 ? 'ipv6' : 'ipv4');
  }
}
/**
 * The network that counts as one client: an IPv4 address, or the 64 bits of an IPv6 address that one customer has at will.
 *
 * @param bits - of an IPv6 address, a multiple of 16; an IPv4 address is cut at half of it, up to 32
 */
export function networkOf(address, bits = 64) {
  const plain = plainAddress(address);
  if (!isIPv6(plain))
    return plain
      .split('.')
      .slice(0, Math.min(4, bits / 16))
      .join('.');
  const [head = '', tail] = plain.split('::');
  const groups = (text) => (text === '' ? [] : text.split(':'));
  const [before, after] = [groups(head), groups(tail ?? '')];
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...new Array(zeros).fill('0'), ...after].slice(0, bits / 16).join(':');
}
/** An IPv4 address in its IPv6 form as IPv4, and without a zone. */
function plainAddress(address) {
  const [plain = ''] = address.split('%');
  return /^::ffff:([\d.]+)$/i.exec(plain)?.[1] ?? plain;
}
/** Some proxies write the port as well: `192.0.2.1:443`, `[2001:db8::1]:443`. */
function addressIn(hop) {
  const text = hop?.trim() ?? '';
  const address = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1] ?? /^([\d.]+):\d+$/.exec(text)?.[1] ?? text;
  return isIP(address) === 0 ? undefined : plainAddress(address);
}
function headerOf({ headers }, name) {
  const value = headers[name];
  return Array.isArray(value) ? value.join(',') : (value ?? '');
}
function lastOf(list) {
  return list.split(',').at(-1).trim();
}
//# sourceMappingURL=proxies.js.map
