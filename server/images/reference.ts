import type { ImageReference } from '../../protocol/images.ts';
import type { ImageLimits } from './decode.ts';
import { fetchImage, isPublicAddress } from './fetch.ts';
import { ImageError } from './imageError.ts';
import type { ImageStore } from './store.ts';

export interface ReferenceOptions {
  store: ImageStore;
  limits: ImageLimits;
  allowPrivateUrls: boolean;
  /** For a fetch by URL, redirects included. */
  fetchTimeoutMs: number;
  /** What this server's own image URLs begin with: they are read from the store instead of fetched. */
  ownBases: readonly string[];
  /** Ends a fetch before its time. */
  signal?: AbortSignal | undefined;
}

/** Reads the bytes behind an image reference, as they were sent. Throws ImageError. */
export async function readReference(reference: ImageReference, options: ReferenceOptions): Promise<Buffer> {
  switch (reference.kind) {
    case 'uuid':
      return await readStored(reference.uuid, options.store);
    case 'url': {
      // A client on this machine got a URL of this machine; the guard against private addresses would refuse it.
      const own = ownImage(reference.url, options.ownBases);
      if (own !== undefined) return await readStored(own, options.store);
      return await fetchImage(reference.url, {
        maxBytes: options.limits.maxBytes,
        mayConnect: options.allowPrivateUrls ? () => true : isPublicAddress,
        timeoutMs: options.fetchTimeoutMs,
        signal: options.signal,
      });
    }
    case 'base64':
      // Before decoding, with room for line breaks: a text that cannot fit is not worth the memory.
      if (reference.data.length * 0.7 > options.limits.maxBytes) {
        throw new ImageError(`The image is larger than ${options.limits.maxBytes} bytes, the largest allowed.`);
      }
      return Buffer.from(reference.data, 'base64');
  }
}

async function readStored(imageUUID: string, store: ImageStore): Promise<Buffer> {
  const found = await store.read(imageUUID);
  if (found === undefined) throw new ImageError(`No image with the UUID ${imageUUID} is kept here.`, 'missing');
  return found.bytes;
}

function ownImage(url: string, ownBases: readonly string[]): string | undefined {
  const base = ownBases.find((candidate) => url.startsWith(`${candidate}/images/`));
  if (base === undefined) return undefined;
  return /^\/images\/([0-9a-f-]{36})\.[a-z]+$/.exec(url.slice(base.length))?.[1];
}
