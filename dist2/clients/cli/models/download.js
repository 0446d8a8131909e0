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
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { HubError } from './hub.js';
/**
 * Fetches one file to `target`. What has come is kept in `target.part`, from which the next call goes on; the file has its
 * name only once its size and checksum are right.
 */
export async function download(hub, repository, file, target, meter) {
  const whole = await sizeOf(target);
  // Of another size: left by something else.
  if (whole !== undefined && (file.bytes === undefined || whole === file.bytes)) return meter.skip(whole);
  await mkdir(path.dirname(target), { recursive: true });
  const part = `${target}.part`;
  let counted = 0;
  const count = (bytes, came) => {
    if (came) meter.advance(bytes - counted);
    else meter.skip(bytes - counted);
    counted = bytes;
  };
  let reached = (await sizeOf(part)) ?? 0;
  let wrong = 0;
  for (;;) {
    const expected = await hub.retrying(
      () => fetchRest(hub, repository, file, part, count),
      () => {
        const advanced = counted > reached;
        reached = counted;
        return advanced;
      },
    );
    const fault = await faultOf(part, expected);
    if (fault === undefined) break;
    await rm(part, { force: true });
    count(0, false);
    if (++wrong > 1) throw new HubError(`${file.path} was damaged twice: ${fault}. Nothing of it was kept.`);
    meter.say(`${file.path} came wrong (${fault}) and is fetched again.`);
  }
  await rename(part, target);
}
/** Adds what is missing to the part, and says what the whole must be. */
async function fetchRest(hub, repository, file, part, count) {
  let have = (await sizeOf(part)) ?? 0;
  if (file.bytes !== undefined && have > file.bytes) {
    await rm(part);
    have = 0;
  }
  count(have, false);
  if (have === file.bytes && file.checksum !== undefined) return file;
  const { response, told } = await hub.open(repository, file.path, have).catch(async (error) => {
    if (!(error instanceof HubError) || error.status !== 416 || have === 0) throw error;
    // A part that the server has no rest of is no part of this file.
    await rm(part, { force: true });
    throw new HubError(error.message, { cause: error, passing: true });
  });
  const expected = { ...told, ...file };
  const goesOn = response.status === 206 && rangeBegin(response) === have;
  if (response.status === 206 && !goesOn) {
    await response.body?.cancel();
    await rm(part, { force: true });
    throw new HubError(`${file.path}: the server did not send the range that was asked for.`, { passing: true });
  }
  if (!goesOn) {
    have = 0;
    count(0, false);
  }
  await receive(hub, response, part, goesOn ? 'a' : 'w', (bytes) => {
    have += bytes;
    if (expected.bytes !== undefined && have > expected.bytes) {
      throw new HubError(`${file.path} is longer than the ${expected.bytes} bytes that were announced.`);
    }
    count(have, true);
  });
  if (expected.bytes !== undefined && have < expected.bytes) {
    throw new HubError(`${file.path}: the connection ended at ${have} of ${expected.bytes} bytes.`, { passing: true });
  }
  return expected;
}
async function receive(hub, response, part, flags, came) {
  const env_1 = { stack: [], error: void 0, hasError: false };
  try {
    const output = __addDisposableResource(env_1, await open(part, flags), true);
    // Where a file is empty.
    if (response.body === null) return;
    const stalled = new AbortController();
    const timer = setTimeout(() => stalled.abort(), hub.stallMs);
    const reader = response.body.getReader();
    const stop = () => void reader.cancel().catch(() => {});
    const either = AbortSignal.any([hub.signal, stalled.signal]);
    either.addEventListener('abort', stop, { once: true });
    try {
      for (;;) {
        const { done, value } = await reader.read();
        hub.signal.throwIfAborted();
        if (stalled.signal.aborted) throw new Error('no more data arrived');
        if (done) break;
        timer.refresh();
        came(value.byteLength);
        for (let written = 0; written < value.byteLength; ) {
          written += (await output.write(value, written)).bytesWritten;
        }
      }
      await output.sync();
    } catch (cause) {
      hub.signal.throwIfAborted();
      stop();
      if (cause instanceof HubError || cause.syscall === 'write') throw cause;
      throw new HubError(`The connection was cut: ${cause.message}.`, { cause, passing: true });
    } finally {
      clearTimeout(timer);
      either.removeEventListener('abort', stop);
    }
  } catch (e_1) {
    env_1.error = e_1;
    env_1.hasError = true;
  } finally {
    const result_1 = __disposeResources(env_1);
    if (result_1) await result_1;
  }
}
/** What is wrong with a file, if anything is. */
async function faultOf(file, { bytes, checksum }) {
  const size = (await sizeOf(file)) ?? 0;
  if (bytes !== undefined && size !== bytes) return `it has ${size} bytes instead of ${bytes}`;
  if (checksum === undefined) return undefined;
  const hash = hashFor(checksum, size);
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) hash.update(chunk);
  return hash.digest('hex') === checksum.hex ? undefined : 'its checksum is another one';
}
/** Git names a blob by the SHA-1 of `blob SIZE\0` and the bytes. */
function hashFor({ algorithm }, size) {
  return algorithm === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${size}\0`);
}
function rangeBegin(response) {
  const [, begin] = /^bytes (\d+)-/.exec(response.headers.get('content-range') ?? '') ?? [];
  return begin === undefined ? undefined : Number(begin);
}
async function sizeOf(file) {
  const found = await stat(file).catch(() => undefined);
  return found?.isFile() ? found.size : undefined;
}
//# sourceMappingURL=download.js.map
