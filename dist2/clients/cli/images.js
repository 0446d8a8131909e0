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

import path from 'node:path';
import { systemClock } from '../../server/clock.js';
import { loadConfig, parseDuration, parseSize } from '../../server/config.js';
import { openImageStore, pinImage } from '../../server/images/store.js';
import { table, terminalWidth } from './table.js';
import { readArguments, UsageError } from './usage.js';
export const imagesHelp = `Usage: latentwire images [list] [options]
       latentwire images prune (--unused-for DURATION | --to SIZE | UUID…) [options]
       latentwire images pin UUID…
       latentwire images unpin UUID…

Looks after the images of this machine, also while a server runs.

  list      What is kept, those used last at the end, and how much it is
  prune     Deletes images: those not used for 30d, 12h …; or the ones not used for longest until the rest is no more than
            10GB …; or those named. Pinned ones stay, unless they are named.
  pin       Keeps images from being deleted to make room; unpin lets go of them

Options:
  --data-dir FOLDER  The data folder of the server (default: ~/.latentwire)
  --json             list as JSON, a line each
  --dry-run          prune tells what it would delete
`;
/** `latentwire images …`; without the name of a command, `list`. */
export async function images(args) {
  const env_1 = { stack: [], error: void 0, hasError: false };
  try {
    const { values, positionals } = readArguments('images', args, {
      'data-dir': { type: 'string' },
      json: { type: 'boolean' },
      'dry-run': { type: 'boolean' },
      'unused-for': { type: 'string' },
      to: { type: 'string' },
    });
    const [command = 'list', ...names] = positionals;
    const dataDir = values['data-dir'];
    // No server is opened here, so what it would say about keys does not matter.
    const argv = ['--allow-open', ...(dataDir === undefined ? [] : ['--data-dir', dataDir])];
    const config = loadConfig(argv, process.env);
    const store = __addDisposableResource(
      env_1,
      await openImageStore(path.join(config.dataDir, 'images'), { clock: systemClock, isLive: true }),
      true,
    );
    switch (command) {
      case 'list':
        return list(store, values.json === true);
      case 'prune':
        return await prune(store, choose(store, names, values), values['dry-run'] === true);
      case 'pin':
      case 'unpin':
        for (const image of named(store, names)) await pinImage(image, command === 'pin');
        return;
      default:
        throw new UsageError(`There is no command "images ${command}". See latentwire images --help.`);
    }
  } catch (e_1) {
    env_1.error = e_1;
    env_1.hasError = true;
  } finally {
    const result_1 = __disposeResources(env_1);
    if (result_1) await result_1;
  }
}
function list(store, asJson) {
  const all = store.list();
  if (asJson) {
    for (const { imageUUID, format, bytes, usedAt, pinned = false, expiresAt } of all) {
      const line = { imageUUID, format, bytes, usedAt: new Date(usedAt).toISOString(), pinned };
      const expires = expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() };
      process.stdout.write(`${JSON.stringify({ ...line, ...expires })}\n`);
    }
    return;
  }
  const rows = all.map(({ imageUUID, format, bytes, usedAt, pinned }) => [
    imageUUID,
    format,
    sizeOf(bytes),
    new Date(usedAt).toISOString().slice(0, 16).replace('T', ' '),
    pinned ? 'pinned' : '',
  ]);
  process.stdout.write(table([['UUID', 'FORMAT', 'SIZE', 'LAST USED', ''], ...rows], terminalWidth()));
  process.stdout.write(`${countOf(all.length)}, ${sizeOf(store.usage().bytes)}\n`);
}
function choose(store, names, { 'unused-for': unusedFor, to }) {
  const ways = [names.length > 0, unusedFor !== undefined, to !== undefined].filter(Boolean).length;
  if (ways !== 1) throw new UsageError('Name what to delete: --unused-for DURATION, --to SIZE, or UUIDs.');
  if (names.length > 0) return named(store, names);
  const loose = store.list().filter(({ pinned }) => !pinned);
  if (unusedFor !== undefined) {
    const before = Date.now() - read('--unused-for', unusedFor, parseDuration);
    return loose.filter(({ usedAt }) => usedAt <= before);
  }
  let excess = store.usage().bytes - read('--to', to, parseSize);
  return loose.filter(({ bytes }) => {
    if (excess <= 0) return false;
    excess -= bytes;
    return true;
  });
}
async function prune(store, chosen, isTrial) {
  let bytes = 0;
  for (const image of chosen) {
    if (!isTrial) await store.delete(image.imageUUID);
    bytes += image.bytes;
  }
  process.stdout.write(`${isTrial ? 'Would delete' : 'Deleted'} ${countOf(chosen.length)}, ${sizeOf(bytes)}.\n`);
}
function named(store, names) {
  if (names.length === 0) throw new UsageError('Give the UUIDs of the images.');
  const all = new Map(store.list().map((image) => [image.imageUUID, image]));
  return names.map((name) => {
    const image = all.get(name.toLowerCase());
    if (image === undefined) throw new Error(`No image ${name} is kept here.`);
    return image;
  });
}
function read(option, text, parse) {
  try {
    return parse(text);
  } catch (error) {
    throw new UsageError(`${option} ${error.message}.`);
  }
}
function countOf(images) {
  return images === 1 ? '1 image' : `${images} images`;
}
function sizeOf(bytes) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let size = bytes;
  let unit = 0;
  for (; size >= 1000 && unit < units.length - 1; unit++) size /= 1000;
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`;
}
//# sourceMappingURL=images.js.map
