import { mkdir, open, readdir, readFile, rename, rm, stat, unlink } from 'node:fs/promises';
import path from 'node:path';
import { v4 as createUUID, validate as isUUID } from 'uuid';
import type { ImageFormat } from '../../protocol/events.ts';
import type { Clock } from '../clock.ts';
import { extensions } from './encode.ts';

export interface StoredImage {
  imageUUID: string;
  format: ImageFormat;
  file: string;
  bytes: number;
  /** Milliseconds since the epoch; absent: kept until deleted. */
  expiresAt?: number;
}

export interface ImageStore extends AsyncDisposable {
  /** Keeps the bytes as they are under a fresh UUID; once it resolves they survive a crash and a power cut. */
  put(bytes: Uint8Array, format: ImageFormat, options?: { ttlSeconds?: number | undefined }): Promise<StoredImage>;
  /** `undefined` for what was never stored, has expired or is not a UUID at all. */
  find(imageUUID: string): Promise<StoredImage | undefined>;
  read(imageUUID: string): Promise<{ image: StoredImage; bytes: Buffer } | undefined>;
  /** Tells whether there was anything to delete. */
  delete(imageUUID: string): Promise<boolean>;
}

const formats = Object.entries(extensions) as [ImageFormat, string][];
const sweepIntervalMs = 30_000;

/**
 * Opens the store in `folder`: `<first two of the UUID>/<UUID>.<jpg|png|webp>`, beside it `<UUID>.expires` with the time
 * in milliseconds where a time to live was asked for. The extension is all there is to know about an image, so a lookup
 * is at most three `stat` calls and the store needs no index to survive a restart.
 */
export async function openImageStore(folder: string, clock: Clock): Promise<ImageStore> {
  const expiries = new Map<string, number>();
  const synced = new Set<string>();
  const changes = new Set<Promise<void>>();
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const shard of await readdir(folder)) {
    if (!/^[0-9a-f]{2}$/.test(shard)) continue;
    for (const name of await readdir(path.join(folder, shard))) {
      const file = path.join(folder, shard, name);
      // What a crash left half written; nothing points at it.
      if (name.endsWith('.tmp')) await rm(file, { force: true });
      if (name.endsWith('.expires')) expiries.set(name.slice(0, -8), Number(await readFile(file, 'utf8')) || 0);
    }
  }

  const timer = clock.every(sweepIntervalMs, () => void change(sweep()));
  await sweep();

  function location(imageUUID: string, extension: string): string {
    return path.join(folder, imageUUID.slice(0, 2), `${imageUUID}.${extension}`);
  }

  async function sweep(): Promise<void> {
    const now = clock.now();
    for (const [imageUUID, expiresAt] of expiries) if (expiresAt <= now) await remove(imageUUID);
  }

  async function remove(imageUUID: string): Promise<boolean> {
    let found = false;
    for (const [, extension] of formats) {
      await unlink(location(imageUUID, extension)).then(
        () => {
          found = true;
        },
        () => {},
      );
    }
    // After the image: the other order would leave, at a crash in between, an image that never expires.
    await rm(location(imageUUID, 'expires'), { force: true });
    expiries.delete(imageUUID);
    return found;
  }

  async function writeDurably(file: string, bytes: Uint8Array | string): Promise<void> {
    const temporary = `${file}.tmp`;
    const handle = await open(temporary, 'wx', 0o600);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  }

  async function find(given: string): Promise<StoredImage | undefined> {
    if (!isUUID(given)) return undefined;
    const imageUUID = given.toLowerCase();
    const expiresAt = expiries.get(imageUUID);
    if (expiresAt !== undefined && expiresAt <= clock.now()) return undefined;
    for (const [format, extension] of formats) {
      const file = location(imageUUID, extension);
      const found = await stat(file).catch(() => undefined);
      if (found === undefined) continue;
      return { imageUUID, format, file, bytes: found.size, ...(expiresAt !== undefined && { expiresAt }) };
    }
    return undefined;
  }

  async function put(
    bytes: Uint8Array,
    format: ImageFormat,
    options: { ttlSeconds?: number | undefined } = {},
  ): Promise<StoredImage> {
    const imageUUID = createUUID();
    const shard = path.join(folder, imageUUID.slice(0, 2));
    const file = location(imageUUID, extensions[format]);
    await mkdir(shard, { recursive: true, mode: 0o700 });
    const expiresAt = options.ttlSeconds === undefined ? undefined : clock.now() + options.ttlSeconds * 1000;
    if (expiresAt !== undefined) {
      await writeDurably(location(imageUUID, 'expires'), String(expiresAt));
      expiries.set(imageUUID, expiresAt);
    }
    await writeDurably(file, bytes);
    await syncFolder(shard);
    if (!synced.has(shard)) {
      await syncFolder(folder);
      synced.add(shard);
    }
    return { imageUUID, format, file, bytes: bytes.byteLength, ...(expiresAt !== undefined && { expiresAt }) };
  }

  /** Remembers a change of the folder until it is done, so that whoever closes the store can take the folder away. */
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
    async read(imageUUID) {
      const image = await find(imageUUID);
      if (image === undefined) return undefined;
      // Deleted or expired since the lookup: the same answer as a moment later.
      const bytes = await readFile(image.file).catch(() => undefined);
      return bytes === undefined ? undefined : { image, bytes };
    },
    async delete(imageUUID) {
      return isUUID(imageUUID) && (await change(remove(imageUUID.toLowerCase())));
    },
    async [Symbol.asyncDispose]() {
      timer.cancel();
      await Promise.all(changes);
    },
  };
}

/** Makes a rename durable. Windows cannot open a folder, and does not need it. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
