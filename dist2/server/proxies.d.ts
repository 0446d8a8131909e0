import type { IncomingMessage } from 'node:http';
/** Reads an entry of `--trusted-proxy`; undefined where it is neither an address, nor a CIDR network, nor one of the words. */
export declare function parseProxy(text: string): string | undefined;
/** Knows the reverse proxies whose word is taken for who a client is and by what address it came. */
export declare class Proxies {
  #private;
  /** @param entries - addresses, CIDR networks and words, as `parseProxy` reads them */
  constructor(entries: readonly string[]);
  /**
   * The address of the client. `X-Forwarded-For` is read from the right, since every proxy appends the address that it saw:
   * the first one that is no trusted proxy is the client's. What stands further left is what the client itself wrote.
   */
  addressOf(request: IncomingMessage): string;
  /** What a trusted proxy says the client asked for; nothing where the request comes from elsewhere. */
  forwarded(request: IncomingMessage): {
    host?: string;
    protocol?: string;
  };
}
/**
 * The network that counts as one client: an IPv4 address, or the 64 bits of an IPv6 address that one customer has at will.
 *
 * @param bits - of an IPv6 address, a multiple of 16; an IPv4 address is cut at half of it, up to 32
 */
export declare function networkOf(address: string, bits?: number): string;
