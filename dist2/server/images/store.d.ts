import type { ImageFormat } from '../../protocol/events.ts';
import type { Clock } from '../clock.ts';
export interface StoredImage {
  imageUUID: string;
  format: ImageFormat;
  file: string;
  bytes: number;
  /** Who may delete it; absent for images of versions that did not remember. */
  owner?: string;
  /** SHA-256 of the bytes, in base64url; absent like `owner`. */
  hash?: string;
  /** Is never deleted to make room. */
  pinned?: boolean;
  /** Milliseconds since the epoch; absent: kept until deleted. */
  expiresAt?: number;
  /** When it was last drawn from or fetched; milliseconds since the epoch. Files tell it to the hour. */
  usedAt: number;
}
export interface StoreOptions {
  clock: Clock;
  /** Bytes of all images, beyond which those go that were not used for longest; 0 sets no limit. Default 0. */
  quotaBytes?: number;
  /** How long an image is kept after its last use, in milliseconds; 0: for ever. Default 0. */
  ttlMs?: number;
  /** Another process may be writing to the folder, so what looks half written is left alone. Default false. */
  isLive?: boolean;
  /** Hears of each image that was deleted to make room or for its age. */
  evicted?: (image: StoredImage, reason: 'quota' | 'age') => void;
}
/** How full the store is. */
export interface StoreUsage {
  images: number;
  bytes: number;
  /** 0: no limit. */
  quotaBytes: number;
}
export interface ImageStore extends AsyncDisposable {
  /**
   * Keeps the bytes as they are under a fresh UUID; once it resolves they survive a crash and a power cut. Throws
   * `StorageFullError` where there is no room for them.
   */
  put(bytes: Uint8Array, format: ImageFormat, options: PutOptions): Promise<StoredImage>;
  /** `undefined` for what was never stored, has expired, is damaged, or is not a UUID at all. Counts as a use. */
  find(imageUUID: string): Promise<StoredImage | undefined>;
  /** What is known of an image, whether or not its file is whole. Is no use of it. */
  known(imageUUID: string): StoredImage | undefined;
  /** Like `find`, with the bytes, of which each has been compared with what was stored. */
  read(imageUUID: string): Promise<
    | {
        image: StoredImage;
        bytes: Buffer;
      }
    | undefined
  >;
  /** Tells whether there was anything to delete. */
  delete(imageUUID: string): Promise<boolean>;
  /** Keeps an image from being deleted to make room until it is released. */
  hold(imageUUID: string): Disposable;
  /**
   * Throws `StorageFullError` where there is no room for an image of usual size. After a failed write it tries one, and throws
   * what that throws.
   */
  checkRoom(): Promise<void>;
  list(): readonly StoredImage[];
  usage(): StoreUsage;
}
export interface PutOptions {
  /** Who may delete it, see `Keys.ownerOf`. */
  owner: string;
  ttlSeconds?: number | undefined;
}
/** There is no room for an image: the disk is full, or a limit of the system is reached. */
export declare class StorageFullError extends Error {
  constructor(options?: ErrorOptions);
}
/**
 * Opens the store in `folder`: `<first two of the UUID>/<UUID>.<jpg|png|webp>`, beside it `<UUID>.json` with the owner, the
 * length and hash of the bytes, and the time when it expires. The time of the file's last change is that of the image's last
 * use. All that is known is kept in memory as well; files that somebody else deletes are missed when they are asked for.
 */
export declare function openImageStore(folder: string, options: StoreOptions): Promise<ImageStore>;
/** Whether an image is `owner`'s, see `Keys.ownerOf`. */
export declare function belongsTo(image: StoredImage, owner: string): boolean;
/** Pins an image, so that it is never deleted to make room, or lets go of it again. */
export declare function pinImage(image: StoredImage, pinned: boolean): Promise<void>;
