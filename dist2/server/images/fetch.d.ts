export interface FetchOptions {
  /** The answer is cut off, and refused, beyond this many bytes. */
  maxBytes: number;
  /** Says which addresses may be connected to: `isPublicAddress`, unless every client is trusted with the network. */
  mayConnect: (address: string) => boolean;
  /** Whether names are looked up as the rest of this machine does it, with its hosts file and search domains. Default false. */
  usesSystemNames?: boolean;
  /** For the whole fetch, redirects included. */
  timeoutMs: number;
  /** Ends it when nobody waits for the image any more. */
  signal?: AbortSignal | undefined;
}
/** Whether an address, as the operating system would connect to it, is part of the public internet. */
export declare function isPublicAddress(address: string): boolean;
/**
 * Fetches an image by URL. The address is judged where it is connected to, not where the name is read: a name that
 * resolves differently the second time, a redirect, or an odd spelling of an address gains nothing.
 */
export declare function fetchImage(url: string, options: FetchOptions): Promise<Buffer>;
