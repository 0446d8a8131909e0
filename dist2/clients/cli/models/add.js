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

import { mkdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { describeModel, foreignKind } from '../../../runtime/index.js';
import { interruptible } from '../interrupt.js';
import { humanBytes, Transfer } from '../transfer.js';
import { readArguments, readOnly, UsageError } from '../usage.js';
import { bringIn, bytesToCopy, filesOf, isPickle } from './bringIn.js';
import { fileWithCompany } from './company.js';
import { openLocal } from './local.js';
import { locked } from './lock.js';
import { checkNames, checkNewName, writeNames } from './naming.js';
import { localOptions, localOptionsHelp } from './options.js';
import { checkSpace, openStaging, settle } from './staging.js';
import { checkUsable, tell } from './usable.js';
export const addHelp = `Usage: latentwire models add PATH [options]

Brings a model into the models folder: a diffusers folder, or a .safetensors file (checkpoint, LoRA, embedding, ControlNet
or VAE). It is checked first; of one that is broken nothing is left behind. One that lies in the models folder already is
only given names, or a tokenizer. The AIR to use is all that goes to stdout.

Options:
  --air AIR            A name for tasks, such as civitai:4384@128713. Default: local:NAME@1
  --name NAME          What to call it in the models folder. Default: as the folder or file is called
  --alias NAME         Another name for tasks; may be given more than once
  --tokenizer FOLDER   vocab.json and merges.txt of a single file whose vocabulary is not CLIP's; others need none
  --link               Only link: the same bytes under a second name, on the same file system (hard links)
  --copy               Only copy. Default: link where that works, else copy
  --kind KIND          Refuse it if it is not that: ${'checkpoint, lora, embedding, controlNet, vae or tinyVae'}
  --force              Take the AIR or alias from the model that has it in models.json
${localOptionsHelp}
`;
const options = {
  ...localOptions,
  air: { type: 'string' },
  name: { type: 'string' },
  alias: { type: 'string', multiple: true },
  tokenizer: { type: 'string' },
  link: { type: 'boolean' },
  copy: { type: 'boolean' },
  kind: { type: 'string' },
  force: { type: 'boolean' },
};
export async function add(args) {
  const { values, positionals } = readArguments('models add', args, options);
  const source = path.resolve(readOnly(positionals, 'which folder or file to add'));
  if (values.link && values.copy) throw new UsageError('Give --link or --copy, not both.');
  const how = values.link ? 'link' : values.copy ? 'copy' : 'either';
  const isFolder = await checkSource(source);
  if (isFolder && values.tokenizer !== undefined) throw new UsageError('--tokenizer is for single files.');
  const found = await describeModel(source);
  checkUsable(found);
  if (values.kind !== undefined && values.kind !== found.kind) {
    throw new Error(`${source} is of the kind ${found.kind}, not ${values.kind}.`);
  }
  const local = openLocal(values);
  await mkdir(local.modelsDir, { recursive: true });
  const target = await targetOf(local.modelsDir, source, isFolder, values.name);
  const name = target.item.replace(/\.safetensors$/i, '');
  const names = { air: values.air, aliases: values.alias ?? [], force: values.force === true };
  if (!target.inside) await checkNewName(local, name);
  await checkNames(local, names, path.join(target.folder, target.item));
  // Of what lies there already, only a tokenizer can be missing.
  if (!target.inside || values.tokenizer !== undefined) {
    const sources = isFolder ? await filesOf(source, name) : await fileWithCompany(source, name, values.tokenizer);
    const work = (signal) => bring(target, name, sources, how, local.modelsDir, signal);
    await interruptible(work, 'Stopped; nothing was added.');
  }
  const place = path.relative(local.modelsDir, path.join(target.folder, target.item));
  await writeNames(local, place, names, isFolder);
  await tell(local, place);
}
async function targetOf(modelsDir, source, isFolder, name) {
  const item = path.basename(source);
  const below = path.relative(await realpath(modelsDir), path.join(await realpath(path.dirname(source)), item));
  if (below !== '' && !below.startsWith('..') && !path.isAbsolute(below)) {
    if (name !== undefined)
      throw new UsageError('--name is for what is not in the models folder yet; rename it there.');
    return { folder: path.dirname(path.join(modelsDir, below)), item, inside: true };
  }
  const wanted = name ?? item.replace(/\.safetensors$/i, '');
  return { folder: modelsDir, item: isFolder ? wanted : `${wanted}.safetensors`, inside: false };
}
/** @returns whether it is a folder */
async function checkSource(source) {
  const found = await stat(source).catch(() => undefined);
  if (found === undefined) throw new Error(`There is no ${source}.`);
  if (found.isDirectory()) return true;
  if (isPickle(source)) {
    throw new Error(
      `${path.basename(source)} is a pickle, and opening one can run whatever code its maker put in. Get the model as ` +
        '.safetensors: most model sites offer both.',
    );
  }
  if (!/\.safetensors$/i.test(source)) {
    const kind = (await foreignKind(source)) ?? 'what it is cannot be told';
    const hint = kind === 'it is a safetensors file' ? 'Rename it to end in .safetensors' : 'Nothing else can be added';
    throw new Error(`${source} is neither a folder nor a .safetensors file: ${kind}. ${hint}.`);
  }
  return false;
}
async function bring({ folder, item, inside }, name, sources, how, modelsDir, signal) {
  const env_1 = { stack: [], error: void 0, hasError: false };
  try {
    const staging = __addDisposableResource(env_1, await openStaging(modelsDir), true);
    await checkSpace(staging.folder, await bytesToCopy(sources, staging.folder, how));
    const bytes = sources.reduce((sum, source) => sum + source.bytes, 0);
    const transfer = new Transfer(`adding ${name}`, bytes);
    let done;
    try {
      done = await bringIn(sources, staging.folder, how, transfer, signal);
    } finally {
      transfer.end();
    }
    // What was checked is the original; this is what will be used.
    checkUsable(await describeModel(path.join(staging.folder, item)));
    signal.throwIfAborted();
    const items = [...new Set(sources.map(({ to }) => to.split(path.sep)[0]))];
    const missing = inside ? items.filter((each) => /\.tokenizer(_2)?$/.test(each)) : items;
    const moves = missing.map((each) => [path.join(staging.folder, each), path.join(folder, each)]);
    await locked(modelsDir, () => settle(moves));
    if (inside) return;
    const told = [
      done.linked > 0 && `linked ${humanBytes(done.linked)}`,
      done.copied > 0 && `copied ${humanBytes(done.copied)}`,
    ];
    process.stderr.write(`${name}: ${told.filter(Boolean).join(', ')}.\n`);
  } catch (e_1) {
    env_1.error = e_1;
    env_1.hasError = true;
  } finally {
    const result_1 = __disposeResources(env_1);
    if (result_1) await result_1;
  }
}
//# sourceMappingURL=add.js.map
