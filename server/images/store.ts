import { createHash } from 'node:crypto';
import { type Dirent, readFileSync, statSync } from 'node:fs';
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  unlink,
  utimes,
} from 'node:fs/promises';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { v4 as createUUID, validate as isUUID } from 'uuid';
import type { ImageFormat } from '../../protocol/events.ts';
import type { Clock } from '../clock.ts';
import { extensions } from './encode.ts';

export interface StoredImage {
  imageUUID: string;
  format: ImageFormat;
  file: string;
  bytes: number;
  /** Owner, who may delete it; absent for images of older versions. */
  owner?: string;
  /** SHA-256 of the bytes, in base64url; absent like `owner`. */
  hash?: string;
  /** Protected from automatic deletion. */
  pinned?: boolean;
  /** Milliseconds since the epoch; absent: kept until deleted. */
  expiresAt?: number;
  /** Time of last use, milliseconds since the epoch. Files store it to the hour. */
  usedAt: number;
}

export interface StoreOptions {
  clock: Clock;
  /** Quota in bytes, above which the least recently used images are deleted; 0 sets no limit. Default 0. */
  quotaBytes?: number;
  /** How long an image is kept after its last use, in milliseconds; 0: for ever. Default 0. */
  ttlMs?: number;
  /** Whether another process may be writing to the folder; incomplete files then stay. Default false. */
  isLive?: boolean;
  /** Called for each automatically deleted image. */
  evicted?: (image: StoredImage, reason: 'quota' | 'age') => void;
}

/** Usage of the store. */
export interface StoreUsage {
  images: number;
  bytes: number;
  /** 0: no limit. */
  quotaBytes: number;
}

export interface ImageStore extends AsyncDisposable {
  /**
   * Stores the bytes unchanged under a new UUID; once it resolves they survive a crash and a power failure. Throws
   * `StorageFullError` if there is no space.
   */
  put(bytes: Uint8Array, format: ImageFormat, options: PutOptions): Promise<StoredImage>;
  /** `undefined` for images that are unknown, expired or damaged, and for invalid UUIDs. Counts as a use. */
  find(imageUUID: string): Promise<StoredImage | undefined>;
  /** The record of an image, whether or not its file is complete. Does not count as a use. */
  known(imageUUID: string): StoredImage | undefined;
  /** Like `find`, with the bytes, verified against their hash. */
  read(imageUUID: string): Promise<{ image: StoredImage; bytes: Buffer } | undefined>;
  /** Returns whether there was an image to delete. */
  delete(imageUUID: string): Promise<boolean>;
  /** Protects an image from automatic deletion until the release. */
  hold(imageUUID: string): Disposable;
  /**
   * Throws `StorageFullError` if there is no space for a usual image. After a failed write it tests a write and throws
   * its error.
   */
  checkRoom(): Promise<void>;
  list(): readonly StoredImage[];
  usage(): StoreUsage;
}

export interface PutOptions {
  /** Owner, see `Keys.ownerOf`. */
  owner: string;
  ttlSeconds?: number | undefined;
}

/** There is no space for an image: the disk is full, or a limit of the system is reached. */
export class StorageFullError extends Error {
  constructor(options?: ErrorOptions) {
    super('The disk has no space for more images.', options);
    this.name = 'StorageFullError';
  }
}

/** The sidecar of an image. */
type Sidecar = Pick<StoredImage, 'owner' | 'hash' | 'pinned' | 'expiresAt'> & { bytes?: number };

const formats = Object.entries(extensions) as [ImageFormat, string][];
const formatOf = new Map(formats.map(([format, extension]) => [`.${extension}`, format]));
const sweepIntervalMs = 30_000;
/** Maximum age of the stored time of last use; less if images are kept for a short time. */
const useIntervalMs = 3_600_000;
/** Bytes that must stay free, so that the disk does not fill up. */
const reserveBytes = 16 * 2 ** 20;
/** With this much free space the answer is cached for a moment: asking the system takes half a millisecond per task. */
const plentyBytes = 2 ** 30;
const plentyMs = 1_000;
/** Size of a test write. */
const maxProbeBytes = 2 ** 20;
/** Error codes for a write without space. */
const fullCodes = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/**
 * Opens the store in `folder`. An image is `<first two of the UUID>/<UUID>.<jpg|png|webp>`; `<UUID>.json` beside it has
 * the owner, the length and hash of the bytes, and the expiry time. The modification time of the file is the time of
 * last use. All records are in memory too; a file deleted by somebody else is noticed when it is requested.
 */
export async function openImageStore(folder: string, options: StoreOptions): Promise<ImageStore> {
  const { clock, quotaBytes = 0, ttlMs = 0, isLive = false, evicted = () => {} } = options;
  /** Least recently used first. */
  const images = new Map<string, StoredImage>();
  const held = new Map<string, number>();
  /** The time of last use in the file, if it is older than `usedAt`. */
  const written = new WeakMap<StoredImage, number>();
  /** A restart may make an image look older only by a small part of its time to live. */
  const writtenAgainMs = ttlMs > 0 ? Math.min(useIntervalMs, ttlMs / 20) : useIntervalMs;
  const synced = new Set<string>();
  const changes = new Set<Promise<void>>();
  let total = 0;
  /** Length of the last image that could not be written. */
  let failedBytes: number | undefined;
  /** Time when there was enough space. */
  let plentyAt = Number.NEGATIVE_INFINITY;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const image of (await readAll(folder, isLive)).sort((a, b) => a.usedAt - b.usedAt)) {
    images.set(image.imageUUID, image);
    total += image.bytes;
  }
  if (!isLive) {
    // Existing shards may have been created just before a crash.
    await syncFolder(folder);
    for (const shard of await readdir(folder)) if (isShard(shard)) synced.add(path.join(folder, shard));
  }
  const timer = clock.every(sweepIntervalMs, () => void change(sweep()));
  await sweep();

  function location(imageUUID: string, extension: string): string {
    return path.join(folder, imageUUID.slice(0, 2), `${imageUUID}.${extension}`);
  }

  async function sweep(): Promise<void> {
    const now = clock.now();
    for (const image of [...images.values()]) {
      if (image.expiresAt !== undefined && image.expiresAt <= now) await remove(image.imageUUID);
      else if (ttlMs > 0 && image.usedAt + ttlMs <= now && !isKept(image)) await evict(image, 'age');
    }
    await makeRoom();
  }

  /** Deletes the least recently used images until the rest is within the quota. */
  async function makeRoom(): Promise<void> {
    if (quotaBytes === 0) return;
    for (const image of [...images.values()]) {
      if (total <= quotaBytes) return;
      if (!isKept(image)) await evict(image, 'quota');
    }
  }

  function isKept(image: StoredImage): boolean {
    // Read again: the command line pins images while the server runs.
    return held.has(image.imageUUID) || readSidecar(location(image.imageUUID, 'json')).pinned === true;
  }

  async function evict(image: StoredImage, reason: 'quota' | 'age'): Promise<void> {
    if (await remove(image.imageUUID)) evicted(image, reason);
  }

  function forget(imageUUID: string): void {
    const image = images.get(imageUUID);
    if (image === undefined) return;
    images.delete(imageUUID);
    total -= image.bytes;
  }

  async function remove(imageUUID: string): Promise<boolean> {
    forget(imageUUID);
    let found = false;
    for (const [, extension] of formats) {
      await unlink(location(imageUUID, extension)).then(
        () => {
          found = true;
        },
        () => {},
      );
    }
    // After the image: in the other order, a crash in between would leave an image that never expires.
    await rm(location(imageUUID, 'json'), { force: true });
    await rm(location(imageUUID, 'expires'), { force: true });
    return found;
  }

  /**
   * Writes an image and its sidecar concurrently, because syncing takes time. The image gets its name when both are
   * complete, so no image is without its sidecar.
   */
  async function writeDurably(file: string, bytes: Uint8Array, sidecar?: readonly [string, string]): Promise<void> {
    const temporary = `${file}.tmp`;
    const files = [[temporary, bytes], ...(sidecar ? [sidecar] : [])] as const;
    const handles: FileHandle[] = [];
    let directory: FileHandle | undefined;
    try {
      await allOf([
        openFolder(),
        makeDurable(path.dirname(file)),
        ...files.map(async ([name, content]) => {
          const handle = await openFor(name, 'wx');
          await handle.writeFile(content);
          await handle.sync();
        }),
      ]);
      await rename(temporary, file);
      await directory?.sync();
    } catch (error) {
      for (const [name] of files) await rm(name, { force: true });
      throw error;
    } finally {
      // Nothing waits for it.
      for (const handle of handles) void change(handle.close().catch(() => {}));
    }

    async function openFolder(): Promise<void> {
      // Windows cannot open a folder and does not need the sync.
      if (process.platform !== 'win32') directory = await openFor(path.dirname(file), 'r');
    }

    async function openFor(name: string, flags: string): Promise<FileHandle> {
      const handle = await open(name, flags, 0o600);
      handles.push(handle);
      return handle;
    }
  }

  /**
   * Handles writes that fail although the disk has space (quotas, limits, a read-only disk), which would keep failing.
   */
  async function probe(bytes: number): Promise<void> {
    const file = path.join(folder, `${createUUID()}.probe`);
    await writeDurably(file, new Uint8Array(bytes));
    await rm(file, { force: true });
  }

  async function checkRoom(bytes = 0): Promise<void> {
    if (failedBytes === undefined && clock.now() - plentyAt < plentyMs) return;
    const { bavail, bsize } = await statfs(folder).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      await restoreFolder();
      return await statfs(folder);
    });
    const free = bavail * bsize;
    if (free >= plentyBytes) plentyAt = clock.now();
    if (free < reserveBytes + bytes) throw new StorageFullError();
    if (failedBytes === undefined || bytes > 0) return;
    await probe(Math.min(failedBytes, maxProbeBytes)).catch((error) => {
      throw asFull(error);
    });
    failedBytes = undefined;
  }

  /** The folder may be missing after somebody cleared the data folder. */
  async function restoreFolder(): Promise<void> {
    synced.clear();
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }

  /** Makes the folder of a shard survive a power failure. */
  async function makeDurable(shard: string): Promise<void> {
    if (synced.has(shard)) return;
    await syncFolder(folder);
    synced.add(shard);
  }

  function known(given: string): StoredImage | undefined {
    const image = isUUID(given) ? images.get(given.toLowerCase()) : undefined;
    return image?.expiresAt !== undefined && image.expiresAt <= clock.now() ? undefined : image;
  }

  async function find(given: string): Promise<StoredImage | undefined> {
    const image = known(given);
    if (image === undefined) return undefined;
    const now = clock.now();
    const found = await stat(image.file).catch(() => undefined);
    if (found === undefined) forget(image.imageUUID);
    if (found?.size !== image.bytes) return undefined;
    // The last entry is the most recently used image.
    if (images.delete(image.imageUUID)) images.set(image.imageUUID, image);
    const lastWritten = written.get(image) ?? image.usedAt;
    image.usedAt = now;
    if (now - lastWritten <= writtenAgainMs) written.set(image, lastWritten);
    else {
      written.set(image, now);
      await utimes(image.file, now / 1000, now / 1000).catch(() => {});
    }
    return image;
  }

  async function put(bytes: Uint8Array, format: ImageFormat, { owner, ttlSeconds }: PutOptions): Promise<StoredImage> {
    const imageUUID = createUUID();
    const shard = path.join(folder, imageUUID.slice(0, 2));
    const file = location(imageUUID, extensions[format]);
    const now = clock.now();
    const expiresAt = ttlSeconds === undefined ? undefined : now + ttlSeconds * 1000;
    const about = {
      owner: digest(`image owner ${owner}`),
      hash: digest(bytes),
      ...(expiresAt !== undefined && { expiresAt }),
    };
    // All other images would be deleted first, and then this one.
    if (quotaBytes > 0 && bytes.byteLength > quotaBytes) throw new StorageFullError();
    try {
      await checkRoom(bytes.byteLength);
      const sidecar = [location(imageUUID, 'json'), JSON.stringify({ ...about, bytes: bytes.byteLength })] as const;
      const write = async () => {
        if (!synced.has(shard)) await mkdir(shard, { recursive: true, mode: 0o700 });
        await writeDurably(file, bytes, sidecar);
      };
      await write().catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
        await restoreFolder();
        await write();
      });
    } catch (error) {
      await remove(imageUUID).catch(() => {});
      failedBytes = bytes.byteLength;
      throw asFull(error);
    }
    failedBytes = undefined;
    const image: StoredImage = { imageUUID, format, file, bytes: bytes.byteLength, usedAt: now, ...about };
    images.set(imageUUID, image);
    total += image.bytes;
    using _ = hold(imageUUID);
    await makeRoom();
    return image;
  }

  function hold(imageUUID: string): Disposable {
    held.set(imageUUID, (held.get(imageUUID) ?? 0) + 1);
    let isHeld = true;
    return {
      [Symbol.dispose]() {
        if (!isHeld) return;
        isHeld = false;
        const left = (held.get(imageUUID) ?? 1) - 1;
        if (left > 0) held.set(imageUUID, left);
        else held.delete(imageUUID);
      },
    };
  }

  /** Tracks a pending change, so that the folder can be removed after `close`. */
  function change<T>(doing: Promise<T>): Promise<T> {
    const done = doing.then(
      () => {},
      () => {},
    );
    changes.add(done);
    void done.then(() => changes.delete(done));
    return doing;
  }

  return {
    put: (bytes, format, options) => change(put(bytes, format, options)),
    find,
    known,
    async read(imageUUID) {
      const image = await find(imageUUID);
      if (image === undefined) return undefined;
      // Deleted or expired since the lookup; the answer is the same as a moment later.
      const bytes = await readFile(image.file).catch(() => undefined);
      if (bytes === undefined || (image.hash !== undefined && digest(bytes) !== image.hash)) return undefined;
      return { image, bytes };
    },
    async delete(imageUUID) {
      return isUUID(imageUUID) && (await change(remove(imageUUID.toLowerCase())));
    },
    hold,
    checkRoom: () => checkRoom(),
    list: () => [...images.values()],
    usage: () => ({ images: images.size, bytes: total, quotaBytes }),
    async [Symbol.asyncDispose]() {
      timer.cancel();
      await Promise.all(changes);
    },
  };
}

/** Whether `owner` owns an image, see `Keys.ownerOf`. */
export function belongsTo(image: StoredImage, owner: string): boolean {
  return image.owner === digest(`image owner ${owner}`);
}

/** Pins or unpins an image. */
export async function pinImage(image: StoredImage, pinned: boolean): Promise<void> {
  const file = image.file.replace(/\.\w+$/, '.json');
  const { pinned: _, ...about } = { bytes: image.bytes, ...readSidecar(file) };
  const temporary = `${file}.${process.pid}.tmp`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.writeFile(JSON.stringify(pinned ? { ...about, pinned } : about));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
}

/** Like `Promise.all`, but rejects only after all have settled. */
async function allOf(promises: readonly Promise<void>[]): Promise<void> {
  const settled = await Promise.allSettled(promises);
  for (const each of settled) if (each.status === 'rejected') throw each.reason;
}

function asFull(error: unknown): unknown {
  const { code = '' } = error as NodeJS.ErrnoException;
  return fullCodes.has(code) ? new StorageFullError({ cause: error }) : error;
}

/** Reads all images of a folder. Deletes incomplete files of a crash, unless another process may be writing them. */
async function readAll(folder: string, isLive: boolean): Promise<StoredImage[]> {
  const all: StoredImage[] = [];
  for (const shard of await readdir(folder)) {
    if (!isLive && /\.probe(\.tmp)?$/.test(shard)) await rm(path.join(folder, shard), { force: true });
    if (!isShard(shard)) continue;
    const names = new Set<string>();
    for (const { name } of (await readdir(path.join(folder, shard), { withFileTypes: true })) as Dirent[]) {
      // Nothing refers to it.
      if (!name.endsWith('.tmp')) names.add(name);
      else if (!isLive) await rm(path.join(folder, shard, name), { force: true });
    }
    for (const name of names) {
      const file = path.join(folder, shard, name);
      const { ext, name: imageUUID } = path.parse(name);
      const format = formatOf.get(ext);
      // The sidecar of an image that was not written before a crash.
      if (!isLive && ext === '.json' && !formats.some(([, extension]) => names.has(`${imageUUID}.${extension}`))) {
        await rm(file, { force: true });
      }
      if (format === undefined || !isUUID(imageUUID)) continue;
      // Synchronous: nothing else runs at the start, and each call takes microseconds.
      const { size, mtimeMs } = statSync(file, { throwIfNoEntry: false }) ?? { size: -1, mtimeMs: 0 };
      if (size < 0) continue;
      const { bytes = size, ...about } = readSidecar(path.join(folder, shard, `${imageUUID}.json`));
      // Versions before 0.2 stored only the expiry time, in a separate file.
      const legacy = `${imageUUID}.expires`;
      if (names.has(legacy)) about.expiresAt = Number(readFileSync(path.join(folder, shard, legacy), 'utf8')) || 0;
      all.push({ imageUUID, format, file, bytes, usedAt: mtimeMs, ...about });
    }
    await turn();
  }
  return all;
}

function isShard(name: string): boolean {
  return /^[0-9a-f]{2}$/.test(name);
}

/** The content of the sidecar; empty if it is missing or broken. */
function readSidecar(file: string): Sidecar {
  try {
    const { owner, hash, pinned, expiresAt, bytes } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    return {
      ...(typeof owner === 'string' && { owner }),
      ...(typeof hash === 'string' && { hash }),
      ...(pinned === true && { pinned }),
      ...(typeof expiresAt === 'number' && { expiresAt }),
      ...(typeof bytes === 'number' && { bytes }),
    };
  } catch {
    return {};
  }
}

function digest(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('base64url');
}

/** Makes a rename durable. Windows cannot open a folder and does not need it. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
