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

import { constants } from 'node:fs';
import { copyFile, link, mkdir, open, readdir, realpath, rm, stat } from 'node:fs/promises';
import path from 'node:path';

/** Pickles, which the runtime refuses anyway, and what other frameworks left. */
const leftOut = /\.(bin|ckpt|pt|pth|pkl|msgpack|h5)$/i;
/** Whether a file is a pickle by its name: opening one can run code. */
export function isPickle(file) {
  return /\.(bin|ckpt|pt|pth|pkl)$/i.test(file);
}
/**
 * The files of a folder that a model may need. Links are followed, because download caches are made of them; hidden
 * files, pickles and weights of other frameworks are left out.
 */
export async function filesOf(folder, to = '') {
  const found = [];
  const walk = async (below, above) => {
    const real = await realpath(path.join(folder, below));
    // A link to a folder above would never end.
    if (above.includes(real)) return;
    for (const name of (await readdir(real)).sort()) {
      if (name.startsWith('.') || leftOut.test(name)) continue;
      const from = await realpath(path.join(real, name));
      const { size, isFile, isFolder } = await look(from);
      if (isFolder) await walk(path.join(below, name), [...above, real]);
      else if (isFile) found.push({ from, to: path.join(to, below, name), bytes: size });
    }
  };
  await walk('', []);
  return found;
}
export async function fileAs(file, to) {
  const from = await realpath(file);
  return { from, to, bytes: (await look(from)).size };
}
async function look(file) {
  const found = await stat(file);
  return { size: found.size, isFile: found.isFile(), isFolder: found.isDirectory() };
}
/** About how much is written where files are brought into a folder. */
export async function bytesToCopy(sources, folder, how) {
  const { dev } = await stat(folder);
  let bytes = 0;
  for (const source of sources) {
    const mayLink = how !== 'copy' && isWeights(source.to) && (await stat(source.from)).dev === dev;
    if (!mayLink) bytes += source.bytes;
  }
  return bytes;
}
/** The bulk of a model. The rest is copied always: people edit settings, and mean those of one place. */
const isWeights = (file) => /\.(safetensors|onnx|onnx_data|pb)$/i.test(file);
/**
 * Links or copies files into a folder. A hard link is the file itself under a second name: no bytes are stored twice, and
 * it stays when the first name goes.
 *
 * @returns how many bytes were linked and copied
 */
export async function bringIn(sources, folder, how, transfer, signal) {
  const done = { linked: 0, copied: 0 };
  for (const { from, to, bytes } of sources) {
    signal.throwIfAborted();
    const target = path.join(folder, to);
    await mkdir(path.dirname(target), { recursive: true });
    if (how !== 'copy' && isWeights(to) && (await linked(from, target, how === 'link'))) {
      transfer.skip(bytes);
      done.linked += bytes;
      continue;
    }
    await copyWhole(from, target, transfer, signal);
    done.copied += bytes;
  }
  return done;
}
async function linked(from, target, must) {
  try {
    await link(from, target);
    return true;
  } catch (cause) {
    if (!must) return false;
    const { code } = cause;
    const why = code === 'EXDEV' ? 'it lies on another file system' : code;
    throw new Error(`${from} cannot be linked: ${why}. Use --copy.`, { cause });
  }
}
async function copyWhole(from, target, transfer, signal) {
  const env_1 = { stack: [], error: void 0, hasError: false };
  try {
    const before = await stat(from);
    // File systems that can share blocks until one side is written (btrfs, xfs, apfs) copy in no time.
    const cloned = await copyFile(from, target, constants.COPYFILE_FICLONE_FORCE | constants.COPYFILE_EXCL).then(
      () => true,
      () => false,
    );
    if (cloned) return transfer.skip(before.size);
    await rm(target, { force: true });
    const input = __addDisposableResource(env_1, await open(from, 'r'), true);
    const output = __addDisposableResource(env_1, await open(target, 'wx'), true);
    const buffer = Buffer.allocUnsafeSlow(4 * 1024 * 1024);
    let at = 0;
    for (;;) {
      signal.throwIfAborted();
      const { bytesRead } = await input.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) break;
      for (let written = 0; written < bytesRead; ) {
        written += (await output.write(buffer, written, bytesRead - written, at + written)).bytesWritten;
      }
      at += bytesRead;
      transfer.advance(bytesRead);
    }
    await output.sync();
    const after = await stat(from);
    if (at !== before.size || after.mtimeMs !== before.mtimeMs) {
      throw new Error(`${from} changed while it was copied. Try again when nothing writes to it.`);
    }
  } catch (e_1) {
    env_1.error = e_1;
    env_1.hasError = true;
  } finally {
    const result_1 = __disposeResources(env_1);
    if (result_1) await result_1;
  }
}
//# sourceMappingURL=bringIn.js.map
