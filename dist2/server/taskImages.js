import { parameterCode, TaskError } from '../protocol/errors.js';
import { decodeImage, sniffFormat } from './images/decode.js';
import { extensions } from './images/encode.js';
import { ImageError } from './images/imageError.js';
import { isForeign, readReference } from './images/reference.js';
import { StorageFullError } from './images/store.js';
import { shuttingDown } from './queue.js';

const fetchTimeoutMs = 20_000;
/**
 * Reads an image that a task names by `parameter` and gives its bytes to `use`, which decodes them. Fetches and decodes of one
 * client wait for each other, and hold nobody else up. Throws TaskError. `signal` ends the wait and the fetch.
 */
export async function useImage(reference, parameter, caller, context, use, signal) {
  const { fetches, decodes, config, store, keys } = context;
  const limits = limitsOf(context);
  const ownBases = [caller.baseUrl, context.url];
  // Without keys all have one owner, and only their sessions tell them apart.
  const owner = keys.open ? caller.claimant.id : caller.owner;
  const read = () =>
    readReference(reference, {
      ...{ store, limits, fetchTimeoutMs, ownBases, signal },
      allowPrivateUrls: config.allowPrivateUrls,
    });
  const decode = (bytes) => decodes.run(owner, async () => await use(await bytes(), limits), signal);
  try {
    if (!isForeign(reference, ownBases)) return await decode(read);
    // The place is kept until the image is decoded, so that no more fetched bytes wait in memory than there are places.
    const fetchAndDecode = async () => {
      const bytes = await read();
      return await decode(async () => bytes);
    };
    return await fetches.run(owner, fetchAndDecode, signal);
  } catch (error) {
    throw ofParameter(error, parameter, context);
  }
}
/** Stores an image that a task names, after a look at every pixel: a broken one is refused now and not when it is used. */
export async function storeReference(reference, parameter, caller, context) {
  if (context.closing) throw shuttingDown();
  const bytes = await useImage(reference, parameter, caller, context, async (bytes, limits) => {
    await decodeImage(bytes, limits, { width: 16, height: 16 });
    return bytes;
  });
  return await storeImage(bytes, sniffFormat(bytes), { owner: caller.owner }, context);
}
/** Stores an image; a full disk becomes an error of its own. */
export async function storeImage(bytes, format, options, { store, metrics }) {
  try {
    const stored = await store.put(bytes, format, options);
    metrics.imageStored(stored.bytes);
    return stored;
  } catch (error) {
    throw ofStorage(error);
  }
}
/** Asks before a task is run whether its images could be kept. Throws `storageFull`. */
export async function checkRoom({ store }) {
  await store.checkRoom().catch((error) => {
    throw ofStorage(error);
  });
}
function ofStorage(error) {
  return error instanceof StorageFullError ? new TaskError('storageFull', { cause: error }) : error;
}
export function imageUrl(image, caller) {
  return `${caller.baseUrl}/images/${image.imageUUID}.${extensions[image.format]}`;
}
function limitsOf({ config }) {
  return { maxBytes: config.maxUploadBytes, maxPixels: config.maxPixels };
}
/** An ImageError as an error of the parameter that named the image; anything else as it is. */
function ofParameter(error, parameter, { log }) {
  if (!(error instanceof ImageError)) return error;
  if (error.kind === 'download')
    log.info({ err: error.cause, reason: error.message }, 'An image could not be fetched.');
  const code =
    error.kind === 'missing'
      ? 'mediaNotFound'
      : error.kind === 'download'
        ? 'downloadFailed'
        : parameterCode('invalid', parameter);
  return new TaskError(code, { message: error.message, parameter, type: 'string', cause: error });
}
//# sourceMappingURL=taskImages.js.map
