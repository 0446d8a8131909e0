import type { ImageFormat } from '../protocol/events.ts';
import type { ImageReference } from '../protocol/images.ts';
import type { Caller } from './caller.ts';
import type { Context } from './context.ts';
import { type ImageLimits } from './images/decode.ts';
import { type PutOptions, type StoredImage } from './images/store.ts';
/**
 * Reads an image that a task names by `parameter` and gives its bytes to `use`, which decodes them. Fetches and decodes of one
 * client wait for each other, and hold nobody else up. Throws TaskError. `signal` ends the wait and the fetch.
 */
export declare function useImage<T>(
  reference: ImageReference,
  parameter: string,
  caller: Caller,
  context: Context,
  use: (bytes: Buffer, limits: ImageLimits) => Promise<T>,
  signal?: AbortSignal,
): Promise<T>;
/** Stores an image that a task names, after a look at every pixel: a broken one is refused now and not when it is used. */
export declare function storeReference(
  reference: ImageReference,
  parameter: string,
  caller: Caller,
  context: Context,
): Promise<StoredImage>;
/** Stores an image; a full disk becomes an error of its own. */
export declare function storeImage(
  bytes: Uint8Array,
  format: ImageFormat,
  options: PutOptions,
  { store, metrics }: Context,
): Promise<StoredImage>;
/** Asks before a task is run whether its images could be kept. Throws `storageFull`. */
export declare function checkRoom({ store }: Context): Promise<void>;
export declare function imageUrl(
  image: {
    imageUUID: string;
    format: ImageFormat;
  },
  caller: Caller,
): string;
