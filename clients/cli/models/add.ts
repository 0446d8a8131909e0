import { mkdir, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { describeModel } from '../../../runtime/index.ts';
import { interruptible } from '../interrupt.ts';
import { humanBytes, Transfer } from '../transfer.ts';
import { readArguments, readOnly, UsageError } from '../usage.ts';
import { bringIn, bytesToCopy, fileAs, filesOf, type How, isPickle, type Source } from './bringIn.ts';
import { type Local, localOptions, localOptionsHelp, openLocal } from './local.ts';
import { checkNames, type Names, writeNames } from './naming.ts';
import { checkSpace, openStaging, settle } from './staging.ts';
import { checkUsable, tell } from './usable.ts';

export const addHelp = `Usage: latentwire models add PATH [options]

Brings a model into the models folder: a diffusers folder, or a .safetensors file (checkpoint, LoRA, embedding, ControlNet
or VAE). It is checked first; of one that is broken nothing is left behind. The AIR to use is all that goes to stdout.

Options:
  --air AIR            A name for tasks, such as civitai:4384@128713. Default: local:NAME@1
  --name NAME          What to call it in the models folder. Default: as the folder or file is called
  --alias NAME         Another name for tasks; may be given more than once
  --tokenizer FOLDER   vocab.json and merges.txt for a single file that has none, as in the tokenizer/ of a diffusers folder
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
} as const;

export async function add(args: string[]): Promise<void> {
  const { values, positionals } = readArguments('models add', args, options);
  const source = path.resolve(readOnly(positionals, 'which folder or file to add'));
  if (values.link && values.copy) throw new UsageError('Give --link or --copy, not both.');
  const how: How = values.link ? 'link' : values.copy ? 'copy' : 'either';
  const isFolder = await checkSource(source);
  if (isFolder && values.tokenizer !== undefined) throw new UsageError('--tokenizer is for single files.');
  const found = await describeModel(source);
  checkUsable(found);
  if (values.kind !== undefined && values.kind !== (found.kind ?? 'checkpoint')) {
    throw new Error(`${source} is of the kind ${found.kind ?? 'checkpoint'}, not ${values.kind}.`);
  }
  const names: Names = {
    name: values.name ?? path.basename(source).replace(/\.safetensors$/i, ''),
    air: values.air,
    aliases: values.alias ?? [],
    force: values.force === true,
  };
  const local = openLocal(values);
  await mkdir(local.modelsDir, { recursive: true });
  await checkNames(local, names);
  const item = isFolder ? names.name : `${names.name}.safetensors`;
  const sources = isFolder ? await filesOf(source, item) : await fileWithCompany(source, names.name, values.tokenizer);
  await interruptible((signal) => place(local, names, item, sources, how, signal), 'Stopped; nothing was added.');
  await tell(local, item);
}

/** @returns whether it is a folder */
async function checkSource(source: string): Promise<boolean> {
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
    throw new Error(`${source} is neither a folder nor a .safetensors file; nothing else can be added.`);
  }
  return false;
}

/** A single file, with what the runtime looks for beside it: settings, and its own tokenizers. */
async function fileWithCompany(source: string, name: string, tokenizer: string | undefined): Promise<Source[]> {
  const found = [await fileAs(source, `${name}.safetensors`)];
  const settings = await fileAs(`${source}.json`, `${name}.safetensors.json`).catch(() => undefined);
  if (settings !== undefined) found.push(settings);
  const stem = source.replace(/\.safetensors$/i, '');
  for (const each of ['tokenizer', 'tokenizer_2']) {
    const folders = tokenizer === undefined ? [`${stem}.${each}`] : [path.resolve(tokenizer, each)];
    if (tokenizer !== undefined && each === 'tokenizer') folders.unshift(path.resolve(tokenizer));
    const files = await Promise.all(folders.map((folder) => tokenizerIn(folder, `${name}.${each}`)));
    const first = files.find((some) => some.length > 0);
    if (first !== undefined) found.push(...first);
    else if (tokenizer !== undefined && each === 'tokenizer') {
      throw new Error(`--tokenizer: in ${tokenizer} there are neither vocab.json and merges.txt nor tokenizer.json.`);
    }
  }
  return found;
}

/** The files of a tokenizer; none where the folder holds no whole one. */
async function tokenizerIn(folder: string, to: string): Promise<Source[]> {
  const known = /^(vocab|tokenizer|tokenizer_config|special_tokens_map|added_tokens)\.json$|^merges\.txt$/;
  const names = (await readdir(folder).catch(() => [])).filter((name) => known.test(name));
  const whole = names.includes('tokenizer.json') || (names.includes('vocab.json') && names.includes('merges.txt'));
  return whole ? await Promise.all(names.map((name) => fileAs(path.join(folder, name), path.join(to, name)))) : [];
}

async function place(
  local: Local,
  names: Names,
  item: string,
  sources: readonly Source[],
  how: How,
  signal: AbortSignal,
): Promise<void> {
  await using staging = await openStaging(local.modelsDir, `add-${process.pid}`);
  await checkSpace(staging.folder, await bytesToCopy(sources, staging.folder, how));
  const bytes = sources.reduce((sum, source) => sum + source.bytes, 0);
  const transfer = new Transfer(`adding ${names.name}`, bytes);
  let done: { linked: number; copied: number };
  try {
    done = await bringIn(sources, staging.folder, how, transfer, signal);
  } finally {
    transfer.end();
  }
  // What was checked is the original; this is what will be used.
  checkUsable(await describeModel(path.join(staging.folder, item)));
  signal.throwIfAborted();
  const items = [...new Set(sources.map(({ to }) => to.split(path.sep)[0]!))];
  await settle(items.map((name) => [path.join(staging.folder, name), path.join(local.modelsDir, name)]));
  await writeNames(local, item, names);
  const told = [
    done.linked > 0 && `linked ${humanBytes(done.linked)}`,
    done.copied > 0 && `copied ${humanBytes(done.copied)}`,
  ];
  process.stderr.write(`${names.name}: ${told.filter(Boolean).join(', ')}.\n`);
}
