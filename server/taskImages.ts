import { parameterCode, TaskError } from '../protocol/errors.ts';
import type { ImageFormat } from '../protocol/events.ts';
import type { ImageReference } from '../protocol/images.ts';
import type { Caller } from './caller.ts';
import type { Context } from './context.ts';
import { decodeImage, type ImageLimits, sniffFormat } from './images/decode.ts';
import { extensions } from './images/encode.ts';
import { ImageError } from './images/imageError.ts';
import { readReference } from './images/reference.ts';
import { type PutOptions, StorageFullError, type StoredImage } from './images/store.ts';
import { shuttingDown } from './queue.ts';

const fetchTimeoutMs = 20_000;

/** The bytes of an image that a task names by `parameter`. Throws TaskError. `signal` ends a fetch. */
export async function readImage(
  reference: ImageReference,
  parameter: string,
  caller: Caller,
  context: Context,
  signal?: AbortSignal,
): Promise<Buffer> {
  try {
    return await readReference(reference, {
      store: context.store,
      limits: limitsOf(context),
      allowPrivateUrls: context.config.allowPrivateUrls,
      fetchTimeoutMs,
      ownBases: [caller.baseUrl, context.url],
      signal,
    });
  } catch (error) {
    throw ofParameter(error, parameter, context);
  }
}

/** Stores an image that a task names, after a look at every pixel: a broken one is refused now and not when it is used. */
export async function storeReference(
  reference: ImageReference,
  parameter: string,
  caller: Caller,
  context: Context,
): Promise<StoredImage> {
  if (context.closing) throw shuttingDown();
  const bytes = await readImage(reference, parameter, caller, context);
  try {
    await decodeImage(bytes, limitsOf(context), { width: 16, height: 16 });
  } catch (error) {
    throw ofParameter(error, parameter, context);
  }
  return await storeImage(bytes, sniffFormat(bytes), { owner: caller.owner }, context);
}

/** Stores an image; a full disk becomes an error of its own. */
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

/** Asks before a task is run whether its images could be kept. Throws `storageFull`. */
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

export function limitsOf({ config }: Context): ImageLimits {
  return { maxBytes: config.maxUploadBytes, maxPixels: config.maxPixels };
}

/** An ImageError as an error of the parameter that named the image; anything else as it is. */
export function ofParameter(error: unknown, parameter: string, { log }: Context): unknown {
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
