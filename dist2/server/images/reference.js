import { isLoopbackHost } from '../config.js';
import { fetchImage, isPublicAddress } from './fetch.js';
import { ImageError } from './imageError.js';
/** Whether bytes come from elsewhere, and may take long to come. */
export function isForeign(reference, ownBases) {
  return reference.kind === 'url' && ownImage(reference.url, ownBases) === undefined;
}
/** Reads the bytes behind an image reference, as they were sent. Throws ImageError. */
export async function readReference(reference, options) {
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
        usesSystemNames: options.allowPrivateUrls,
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
async function readStored(imageUUID, store) {
  const found = await store.read(imageUUID);
  if (found === undefined) throw new ImageError(`No image with the UUID ${imageUUID} is kept here.`, 'missing');
  return found.bytes;
}
/** The UUID in a URL of this server's own, in any spelling of its address; undefined for all others. */
function ownImage(text, ownBases) {
  const url = new URL(text);
  for (const base of ownBases.map((each) => new URL(each))) {
    if (hostOf(url) !== hostOf(base)) continue;
    const folder = `${base.pathname.replace(/\/+$/, '')}/images/`;
    if (url.pathname.startsWith(folder))
      return /^([0-9a-f-]{36})\.[a-z]+$/i.exec(url.pathname.slice(folder.length))?.[1];
  }
  return undefined;
}
/** Host and port; one name for all names of this machine. */
function hostOf({ hostname, port, protocol }) {
  const name = hostname.replace(/\.$/, '');
  const isHere = isLoopbackHost(name) || name.endsWith('.localhost') || name === '0.0.0.0' || name === '[::]';
  return `${isHere ? 'localhost' : name}:${port || (protocol === 'https:' ? '443' : '80')}`;
}
//# sourceMappingURL=reference.js.map
