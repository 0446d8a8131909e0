import { parameterCode, TaskError } from '../../protocol/errors.ts';
import type { ImageFormat } from '../../protocol/events.ts';
import type { ImageReference } from '../../protocol/images.ts';
import type { Context } from '../context.ts';
import { decodeImage, type ImageLimits, sniffFormat } from '../images/decode.ts';
import { extensions } from '../images/encode.ts';
import { ImageError } from '../images/imageError.ts';
import { isForeign, readReference } from '../images/reference.ts';
import { type PutOptions, StorageFullError, type StoredImage } from '../images/store.ts';
import { shuttingDown } from '../queue/queue.ts';
import type { Caller } from './caller.ts';

const fetchTimeoutMs = 20_000;

/**
 * Reads the image of a `parameter` and passes its bytes to `use`, which decodes them. Downloads and decodes of one
 * client wait for each other and do not delay other clients. Throws TaskError. `signal` aborts the wait and the
 * download.
 */
export async function useImage<T>(
  reference: ImageReference,
  parameter: string,
  caller: Caller,
  context: Context,
  use: (bytes: Buffer, limits: ImageLimits) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const { fetches, decodes, config, store, keys } = context;
  const limits = limitsOf(context);
  const ownBases = [caller.baseUrl, context.url];
  // Without keys all clients have one owner, and only their sessions distinguish them.
  const owner = keys.open ? caller.claimant.id : caller.owner;
  const read = () =>
    readReference(reference, {
      ...{ store, limits, fetchTimeoutMs, ownBases, signal },
      allowPrivateUrls: config.allowPrivateUrls,
    });
  const decode = (bytes: () => Promise<Buffer>) =>
    decodes.run(owner, async () => await use(await bytes(), limits), signal);
  try {
    if (!isForeign(reference, ownBases)) return await decode(read);
    // The place is kept until the image is decoded, which limits the downloaded bytes in memory.
    const fetchAndDecode = async () => {
      const bytes = await read();
      return await decode(async () => bytes);
    };
    return await fetches.run(owner, fetchAndDecode, signal);
  } catch (error) {
    throw ofParameter(error, parameter, context);
  }
}

/** Stores an image of a task after decoding every pixel, so that a broken image is refused now. */
export async function storeReference(
  reference: ImageReference,
  parameter: string,
  caller: Caller,
  context: Context,
): Promise<StoredImage> {
  if (context.closing) throw shuttingDown();
  const bytes = await useImage(reference, parameter, caller, context, async (bytes, limits) => {
    await decodeImage(bytes, limits, { width: 16, height: 16 });
    return bytes;
  });
  return await storeImage(bytes, sniffFormat(bytes), { owner: caller.owner }, context);
}

/** Stores an image; a full disk is `storageFull`. */
export async function storeImage(
  bytes: Uint8Array,
  format: ImageFormat,
  options: PutOptions,
  { store, metrics }: Context,
): Promise<StoredImage> {
  try {
    const stored = await store.put(bytes, format, options);
    metrics.imageStored(stored.bytes);
    return stored;
  } catch (error) {
    throw ofStorage(error);
  }
}

/** Checks before a run whether its images can be stored. Throws `storageFull`. */
export async function checkRoom({ store }: Context): Promise<void> {
  await store.checkRoom().catch((error) => {
    throw ofStorage(error);
  });
}

function ofStorage(error: unknown): unknown {
  return error instanceof StorageFullError ? new TaskError('storageFull', { cause: error }) : error;
}

export function imageUrl(image: { imageUUID: string; format: ImageFormat }, caller: Caller): string {
  return `${caller.baseUrl}/images/${image.imageUUID}.${extensions[image.format]}`;
}

function limitsOf({ config }: Context): ImageLimits {
  return { maxBytes: config.maxUploadBytes, maxPixels: config.maxPixels };
}

/** Converts an ImageError to an error of the parameter; returns other errors unchanged. */
function ofParameter(error: unknown, parameter: string, { log }: Context): unknown {
  if (!(error instanceof ImageError)) return error;
  if (error.kind === 'download')
    log.info({ err: error.cause, reason: error.message }, 'An image could not be downloaded.');
  const code =
    error.kind === 'missing'
      ? 'mediaNotFound'
      : error.kind === 'download'
        ? 'downloadFailed'
        : parameterCode('invalid', parameter);
  return new TaskError(code, { message: error.message, parameter, type: 'string', cause: error });
}
