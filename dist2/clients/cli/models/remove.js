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

import { lstat, realpath, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { readArguments, readOnly } from '../usage.js';
import { findEntry, openLocal } from './local.js';
import { changeNamesFile, placeOf, readNamesFile } from './namesFile.js';
import { localOptions, localOptionsHelp } from './options.js';
import { companions, openStaging } from './staging.js';
export const removeHelp = `Usage: latentwire models remove AIR|NAME [--yes]

Deletes a model of the models folder and its names in models.json. Without --yes it only tells what would go. Of a model
that was linked, the original stays where it is.

Options:
  --yes                Do it
${localOptionsHelp}
`;
export async function remove(args) {
  const env_1 = { stack: [], error: void 0, hasError: false };
  try {
    const { values, positionals } = readArguments('models remove', args, {
      ...localOptions,
      yes: { type: 'boolean' },
    });
    const name = readOnly(positionals, 'which model to remove, by AIR or name');
    const doomed = await find(openLocal(values), name);
    const { files, names, modelsDir } = doomed;
    const lines = [...files, ...names.map((id) => `${id} in ${path.join(modelsDir, 'models.json')}`)];
    process.stdout.write(lines.map((line) => `${line}\n`).join(''));
    if (!values.yes) throw new Error('Nothing was removed. Give --yes to remove what is listed above.');
    const staging = __addDisposableResource(env_1, await openStaging(modelsDir), true);
    // Out of sight first: a server must not find half a model.
    for (const [i, file] of files.entries()) await rename(file, path.join(staging.folder, String(i)));
    await changeNamesFile(modelsDir, (all) => {
      for (const id of names) delete all[id];
    });
    for (const i of files.keys()) await rm(path.join(staging.folder, String(i)), { recursive: true });
    process.stderr.write('Removed.\n');
  } catch (e_1) {
    env_1.error = e_1;
    env_1.hasError = true;
  } finally {
    const result_1 = __disposeResources(env_1);
    if (result_1) await result_1;
  }
}
async function find(local, name) {
  const entry = findEntry(await local.list(), name);
  if (entry === undefined) return await findName(local, name);
  const file = entry.model.folder;
  for (const modelsDir of local.modelsDirs) {
    const place = path.relative(modelsDir, file);
    const names = namesOf(await readNamesFile(modelsDir), place);
    const inside = place !== '' && !place.startsWith('..') && !path.isAbsolute(place);
    if (inside) return { modelsDir, files: await filesOf(modelsDir, file), names };
    // Named from here, but kept elsewhere: only the name is this folder's.
    if (names.length > 0) return { modelsDir, files: [], names };
  }
  throw new Error(`${entry.air} comes with the program and is not removed.`);
}
/** A name whose model is gone already. */
async function findName({ modelsDirs }, name) {
  for (const modelsDir of modelsDirs) {
    const names = Object.keys(await readNamesFile(modelsDir)).filter((id) => id.toLowerCase() === name.toLowerCase());
    if (names.length > 0) return { modelsDir, files: [], names };
  }
  throw new Error(`There is no model ${name}. See latentwire models.`);
}
function namesOf(all, place) {
  const wanted = place.split(path.sep).join('/');
  return Object.entries(all)
    .filter(([, named]) => placeOf(named) === wanted)
    .map(([id]) => id);
}
async function filesOf(modelsDir, file) {
  const [root, parent] = [await realpath(modelsDir), await realpath(path.dirname(file))];
  if (parent !== root && !parent.startsWith(root + path.sep)) {
    throw new Error(`${file} lies behind a link that leads out of ${modelsDir}, to ${parent}. Remove it there.`);
  }
  const isFile = /\.safetensors$/i.test(file);
  const stem = file.replace(/\.safetensors$/i, '');
  const files = [];
  for (const each of [file, ...(isFile ? companions.map((ending) => stem + ending) : [])])
    if (await lstat(each).catch(() => undefined)) files.push(each);
  return files;
}
//# sourceMappingURL=remove.js.map
