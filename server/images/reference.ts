import { validate as isUUID } from 'uuid';
import type { ImageLimits } from './decode.ts';
import { fetchImage } from './fetch.ts';
import { ImageError } from './imageError.ts';
import type { ImageStore } from './store.ts';

export interface ReferenceOptions {
  store: ImageStore;
  limits: ImageLimits;
  allowPrivateUrls: boolean;
  fetchTimeoutMs: number;
  /** Origins this server is reached by: image URLs below them are read from the store instead of fetched. */
  ownOrigins: readonly string[];
}

const accepted =
  'Give the UUID of an uploaded or generated image, an http(s) URL, a data URI (data:<mime>;base64,…) or bare base64.';

/**
 * Reads the bytes behind an image reference, in whichever of the four forms it is: UUID, URL, data URI, base64. They are
 * told apart in this order; a UUID without its dashes would be valid base64.
 */
export async function readReference(reference: string, options: ReferenceOptions): Promise<Buffer> {
  const text = reference.trim();
  if (isUUID(text)) return await readStored(text, options.store);
  if (/^https?:\/\//i.test(text)) {
    const own = ownImage(text, options.ownOrigins);
    if (own !== undefined) return await readStored(own, options.store);
    return await fetchImage(text, {
      maxBytes: options.limits.maxBytes,
      allowPrivateUrls: options.allowPrivateUrls,
      timeoutMs: options.fetchTimeoutMs,
    });
  }
  if (/^data:/i.test(text)) {
    const comma = text.indexOf(',');
    if (comma < 0 || !/;base64$/i.test(text.slice(0, comma))) {
      throw new ImageError(`The data URI is not base64. ${accepted}`);
    }
    return decodeBase64(text.slice(comma + 1), options.limits);
  }
  if (/^[a-z][a-z0-9+.-]*:/i.test(text)) throw new ImageError(`Only http and https URLs are fetched. ${accepted}`);
  return decodeBase64(text, options.limits);
}

async function readStored(imageUUID: string, store: ImageStore): Promise<Buffer> {
  const found = await store.read(imageUUID);
  if (found === undefined) throw new ImageError(`No image with the UUID ${imageUUID} is kept here.`, 'missing');
  return found.bytes;
}

function ownImage(text: string, ownOrigins: readonly string[]): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  if (!ownOrigins.includes(url.origin)) return undefined;
  return /\/images\/([0-9a-f-]{36})\.[a-z]+$/.exec(url.pathname)?.[1];
}

function decodeBase64(text: string, limits: ImageLimits): Buffer {
  // Before decoding, with room for line breaks: a text that cannot fit is not worth the memory.
  if (text.length * 0.7 > limits.maxBytes) {
    throw new ImageError(`The image is larger than ${limits.maxBytes} bytes, the largest allowed.`);
  }
  if (text === '' || !/^[A-Za-z0-9+/_\-\s]+=*\s*$/.test(text)) {
    throw new ImageError(`The image reference has none of the known forms. ${accepted}`);
  }
  return Buffer.from(text, 'base64');
}
