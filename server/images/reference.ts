import type { ImageReference } from '../../protocol/images.ts';
import { isLoopbackHost } from '../config/config.ts';
import type { ImageLimits } from './decode.ts';
import { fetchImage, isPublicAddress } from './fetch.ts';
import { ImageError } from './imageError.ts';
import type { ImageStore } from './store.ts';

export interface ReferenceOptions {
  store: ImageStore;
  limits: ImageLimits;
  allowPrivateUrls: boolean;
  /** Time limit of a download, including redirects. */
  fetchTimeoutMs: number;
  /** Base of this server's image URLs, which are read from the store instead of downloaded. */
  ownBases: readonly string[];
  /** Aborts a download. */
  signal?: AbortSignal | undefined;
}

/** Whether the bytes are elsewhere and may take long. */
export function isForeign(reference: ImageReference, ownBases: readonly string[]): boolean {
  return reference.kind === 'url' && ownImage(reference.url, ownBases) === undefined;
}

/** Reads the bytes of an image reference, unchanged. Throws ImageError. */
export async function readReference(reference: ImageReference, options: ReferenceOptions): Promise<Buffer> {
  switch (reference.kind) {
    case 'uuid':
      return await readStored(reference.uuid, options.store);
    case 'url': {
      // A client on this machine has URLs of this machine, which the check of private addresses would refuse.
      const own = ownImage(reference.url, options.ownBases);
      if (own !== undefined) return await readStored(own, options.store);
      return await fetchImage(reference.url, {
        maxBytes: options.limits.maxBytes,
        mayConnect: options.allowPrivateUrls ? () => true : isPublicAddress,
        usesSystemNames: options.allowPrivateUrls,
        timeoutMs: options.fetchTimeoutMs,
        signal: options.signal,
      });
    }
    case 'base64':
      // Checked before decoding, with room for line breaks, to save memory.
      if (reference.data.length * 0.7 > options.limits.maxBytes) {
        throw new ImageError(`The image is larger than ${options.limits.maxBytes} bytes, the largest allowed.`);
      }
      return Buffer.from(reference.data, 'base64');
  }
}

async function readStored(imageUUID: string, store: ImageStore): Promise<Buffer> {
  const found = await store.read(imageUUID);
  if (found === undefined) throw new ImageError(`No image with the UUID ${imageUUID} is stored here.`, 'missing');
  return found.bytes;
}

/** The UUID in a URL of this server, in any spelling of its address; else undefined. */
function ownImage(text: string, ownBases: readonly string[]): string | undefined {
  const url = new URL(text);
  for (const base of ownBases.map((each) => new URL(each))) {
    if (hostOf(url) !== hostOf(base)) continue;
    const folder = `${base.pathname.replace(/\/+$/, '')}/images/`;
    if (url.pathname.startsWith(folder))
      return /^([0-9a-f-]{36})\.[a-z]+$/i.exec(url.pathname.slice(folder.length))?.[1];
  }
  return undefined;
}

/** Host and port, with one name for all names of this machine. */
function hostOf({ hostname, port, protocol }: URL): string {
  const name = hostname.replace(/\.$/, '');
  const isHere = isLoopbackHost(name) || name.endsWith('.localhost') || name === '0.0.0.0' || name === '[::]';
  return `${isHere ? 'localhost' : name}:${port || (protocol === 'https:' ? '443' : '80')}`;
}
