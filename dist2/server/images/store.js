var __addDisposableResource =
  (this && this.__addDisposableResource) ||
  ((env, value, async) => {
    if (value !== null && value !== void 0) {
      if (typeof value !== 'object' && typeof value !== 'function') throw new TypeError('Object expected.');
      var dispose, inner;
      if (async) {
        if (!Symbol.asyncDispose) throw new TypeError('Symbol.asyncDispose is not defined.');
        dispose = value[Symbol.asyncDispose];
      }
      if (dispose === void 0) {
        if (!Symbol.dispose) throw new TypeError('Symbol.dispose is not defined.');
        dispose = value[Symbol.dispose];
        if (async) inner = dispose;
      }
      if (typeof dispose !== 'function') throw new TypeError('Object not disposable.');
      if (inner)
        dispose = function () {
          try {
            inner.call(this);
          } catch (e) {
            return Promise.reject(e);
          }
        };
      env.stack.push({ value: value, dispose: dispose, async: async });
    } else if (async) {
      env.stack.push({ async: true });
    }
    return value;
  });
var __disposeResources =
  (this && this.__disposeResources) ||
  ((SuppressedError) => (env) => {
    function fail(e) {
      env.error = env.hasError ? new SuppressedError(e, env.error, 'An error was suppressed during disposal.') : e;
      env.hasError = true;
    }
    var r,
      s = 0;
    function next() {
      while ((r = env.stack.pop())) {
        try {
          if (!r.async && s === 1) return (s = 0), env.stack.push(r), Promise.resolve().then(next);
          if (r.dispose) {
            var result = r.dispose.call(r.value);
            if (r.async)
              return (
                (s |= 2),
                Promise.resolve(result).then(next, (e) => {
                  fail(e);
                  return next();
                })
              );
          } else s |= 1;
        } catch (e) {
          fail(e);
        }
      }
      if (s === 1) return env.hasError ? Promise.reject(env.error) : Promise.resolve();
      if (env.hasError) throw env.error;
    }
    return next();
  })(
    typeof SuppressedError === 'function'
      ? SuppressedError
      : (error, suppressed, message) => {
          var e = new Error(message);
          return (e.name = 'SuppressedError'), (e.error = error), (e.suppressed = suppressed), e;
        },
  );

import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat, statfs, unlink, utimes } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { v4 as createUUID, validate as isUUID } from 'uuid';
import { extensions } from './encode.js';
/** There is no room for an image: the disk is full, or a limit of the system is reached. */
export class StorageFullError extends Error {
  constructor(options) {
    super('The disk has no room for more images.', options);
    this.name = 'StorageFullError';
  }
}
const formats = Object.entries(extensions);
const formatOf = new Map(formats.map(([format, extension]) => [`.${extension}`, format]));
const sweepIntervalMs = 30_000;
/** How old the written time of last use may become; less where images are kept for a short time. */
const useIntervalMs = 3_600_000;
/** Bytes that must be free beside an image, so that the disk is not filled to its last block. */
const reserveBytes = 16 * 2 ** 20;
/** Where so many bytes are free, that is believed for a moment: asking the system takes half a millisecond of each task. */
const plentyBytes = 2 ** 30;
const plentyMs = 1_000;
/** Of what is written to find out whether writes work again. */
const maxProbeBytes = 2 ** 20;
/** Codes of the system for a write that found no room. */
const fullCodes = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
/**
 * Opens the store in `folder`: `<first two of the UUID>/<UUID>.<jpg|png|webp>`, beside it `<UUID>.json` with the owner, the
 * length and hash of the bytes, and the time when it expires. The time of the file's last change is that of the image's last
 * use. All that is known is kept in memory as well; files that somebody else deletes are missed when they are asked for.
 */
export async function openImageStore(folder, options) {
  const { clock, quotaBytes = 0, ttlMs = 0, isLive = false, evicted = () => {} } = options;
  /** Those used last at the end. */
  const images = new Map();
  const held = new Map();
  /** The time of last use that the file has, where it is older than `usedAt`. */
  const written = new WeakMap();
  /** A restart must not make an image look older than a small part of the time it is kept. */
  const writtenAgainMs = ttlMs > 0 ? Math.min(useIntervalMs, ttlMs / 20) : useIntervalMs;
  const synced = new Set();
  const changes = new Set();
  let total = 0;
  /** Length of the last image, where it could not be written. */
  let failedBytes;
  /** When there was plenty of room. */
  let plentyAt = Number.NEGATIVE_INFINITY;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const image of (await readAll(folder, isLive)).sort((a, b) => a.usedAt - b.usedAt)) {
    images.set(image.imageUUID, image);
    total += image.bytes;
  }
  if (!isLive) {
    // Shards that are there may have been made just before a crash.
    await syncFolder(folder);
    for (const shard of await readdir(folder)) if (isShard(shard)) synced.add(path.join(folder, shard));
  }
  const timer = clock.every(sweepIntervalMs, () => void change(sweep()));
  await sweep();
  function location(imageUUID, extension) {
    return path.join(folder, imageUUID.slice(0, 2), `${imageUUID}.${extension}`);
  }
  async function sweep() {
    const now = clock.now();
    for (const image of [...images.values()]) {
      if (image.expiresAt !== undefined && image.expiresAt <= now) await remove(image.imageUUID);
      else if (ttlMs > 0 && image.usedAt + ttlMs <= now && !isKept(image)) await evict(image, 'age');
    }
    await makeRoom();
  }
  /** Deletes what was not used for longest until the rest is within the quota. */
  async function makeRoom() {
    if (quotaBytes === 0) return;
    for (const image of [...images.values()]) {
      if (total <= quotaBytes) return;
      if (!isKept(image)) await evict(image, 'quota');
    }
  }
  function isKept(image) {
    // Read anew: the command line pins images while the server runs.
    return held.has(image.imageUUID) || readSidecar(location(image.imageUUID, 'json')).pinned === true;
  }
  async function evict(image, reason) {
    if (await remove(image.imageUUID)) evicted(image, reason);
  }
  function forget(imageUUID) {
    const image = images.get(imageUUID);
    if (image === undefined) return;
    images.delete(imageUUID);
    total -= image.bytes;
  }
  async function remove(imageUUID) {
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
    // After the image: the other order would leave, at a crash in between, an image that never expires.
    await rm(location(imageUUID, 'json'), { force: true });
    await rm(location(imageUUID, 'expires'), { force: true });
    return found;
  }
  /**
   * Writes an image and its sidecar at once, since the disk takes a while to sync each. The image gets its name when both
   * are whole, so that no image is ever without its sidecar.
   */
  async function writeDurably(file, bytes, sidecar) {
    const temporary = `${file}.tmp`;
    const files = [[temporary, bytes], ...(sidecar ? [sidecar] : [])];
    const handles = [];
    let directory;
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
      // Nobody waits for that.
      for (const handle of handles) void change(handle.close().catch(() => {}));
    }
    async function openFolder() {
      // Windows cannot open a folder, and does not need it synced.
      if (process.platform !== 'win32') directory = await openFor(path.dirname(file), 'r');
    }
    async function openFor(name, flags) {
      const handle = await open(name, flags, 0o600);
      handles.push(handle);
      return handle;
    }
  }
  /** Writes that fail although the disk has room (quotas, limits, a disk that is read-only now) would go on failing. */
  async function probe(bytes) {
    const file = path.join(folder, `${createUUID()}.probe`);
    await writeDurably(file, new Uint8Array(bytes));
    await rm(file, { force: true });
  }
  async function checkRoom(bytes = 0) {
    if (failedBytes === undefined && clock.now() - plentyAt < plentyMs) return;
    const { bavail, bsize } = await statfs(folder).catch(async (error) => {
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
  /** After somebody has cleared the data folder while the server runs. */
  async function restoreFolder() {
    synced.clear();
    await mkdir(folder, { recursive: true, mode: 0o700 });
  }
  /** Makes the name of a shard's folder survive a power cut. */
  async function makeDurable(shard) {
    if (synced.has(shard)) return;
    await syncFolder(folder);
    synced.add(shard);
  }
  function known(given) {
    const image = isUUID(given) ? images.get(given.toLowerCase()) : undefined;
    return image?.expiresAt !== undefined && image.expiresAt <= clock.now() ? undefined : image;
  }
  async function find(given) {
    const image = known(given);
    if (image === undefined) return undefined;
    const now = clock.now();
    const found = await stat(image.file).catch(() => undefined);
    if (found === undefined) forget(image.imageUUID);
    if (found?.size !== image.bytes) return undefined;
    // The last place is that of the image used last.
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
  async function put(bytes, format, { owner, ttlSeconds }) {
    const env_1 = { stack: [], error: void 0, hasError: false };
    try {
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
      // Everybody's images would go, and this one at last.
      if (quotaBytes > 0 && bytes.byteLength > quotaBytes) throw new StorageFullError();
      try {
        await checkRoom(bytes.byteLength);
        const sidecar = [location(imageUUID, 'json'), JSON.stringify({ ...about, bytes: bytes.byteLength })];
        const write = async () => {
          if (!synced.has(shard)) await mkdir(shard, { recursive: true, mode: 0o700 });
          await writeDurably(file, bytes, sidecar);
        };
        await write().catch(async (error) => {
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
      const image = { imageUUID, format, file, bytes: bytes.byteLength, usedAt: now, ...about };
      images.set(imageUUID, image);
      total += image.bytes;
      const _ = __addDisposableResource(env_1, hold(imageUUID), false);
      await makeRoom();
      return image;
    } catch (e_1) {
      env_1.error = e_1;
      env_1.hasError = true;
    } finally {
      __disposeResources(env_1);
    }
  }
  function hold(imageUUID) {
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
  /** Remembers a change of the folder until it is done, so that whoever closes the store can take the folder away. */
  function change(doing) {
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
      // Deleted or expired since the lookup: the same answer as a moment later.
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
/** Whether an image is `owner`'s, see `Keys.ownerOf`. */
export function belongsTo(image, owner) {
  return image.owner === digest(`image owner ${owner}`);
}
/** Pins an image, so that it is never deleted to make room, or lets go of it again. */
export async function pinImage(image, pinned) {
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
/** Like `Promise.all`, but fails only when all have ended. */
async function allOf(promises) {
  const settled = await Promise.allSettled(promises);
  for (const each of settled) if (each.status === 'rejected') throw each.reason;
}
function asFull(error) {
  const { code = '' } = error;
  return fullCodes.has(code) ? new StorageFullError({ cause: error }) : error;
}
/** All images of a folder. What a crash left half written is taken away, where nobody else can be writing it. */
async function readAll(folder, isLive) {
  const all = [];
  for (const shard of await readdir(folder)) {
    if (!isLive && /\.probe(\.tmp)?$/.test(shard)) await rm(path.join(folder, shard), { force: true });
    if (!isShard(shard)) continue;
    const names = new Set();
    for (const { name } of await readdir(path.join(folder, shard), { withFileTypes: true })) {
      // Nothing points at it.
      if (!name.endsWith('.tmp')) names.add(name);
      else if (!isLive) await rm(path.join(folder, shard, name), { force: true });
    }
    for (const name of names) {
      const file = path.join(folder, shard, name);
      const { ext, name: imageUUID } = path.parse(name);
      const format = formatOf.get(ext);
      // A sidecar whose image was not written before a crash.
      if (!isLive && ext === '.json' && !formats.some(([, extension]) => names.has(`${imageUUID}.${extension}`))) {
        await rm(file, { force: true });
      }
      if (format === undefined || !isUUID(imageUUID)) continue;
      // Without threads: at start there is nothing else to do, and each look takes microseconds.
      const { size, mtimeMs } = statSync(file, { throwIfNoEntry: false }) ?? { size: -1, mtimeMs: 0 };
      if (size < 0) continue;
      const { bytes = size, ...about } = readSidecar(path.join(folder, shard, `${imageUUID}.json`));
      // Versions before 0.2 kept only the time when an image expires, in a file of its own.
      const legacy = `${imageUUID}.expires`;
      if (names.has(legacy)) about.expiresAt = Number(readFileSync(path.join(folder, shard, legacy), 'utf8')) || 0;
      all.push({ imageUUID, format, file, bytes, usedAt: mtimeMs, ...about });
    }
    await turn();
  }
  return all;
}
function isShard(name) {
  return /^[0-9a-f]{2}$/.test(name);
}
/** What is known beside the file itself; nothing where the sidecar is missing or broken. */
function readSidecar(file) {
  try {
    const { owner, hash, pinned, expiresAt, bytes } = JSON.parse(readFileSync(file, 'utf8'));
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
function digest(content) {
  return createHash('sha256').update(content).digest('base64url');
}
/** Makes a rename durable. Windows cannot open a folder, and does not need it. */
async function syncFolder(folder) {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
//# sourceMappingURL=store.js.map
