import { mkdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import {
  describeModel,
  foreignKind,
  isWeightsFile,
  type ModelDescription,
  weightsStem,
} from '../../../runtime/index.ts';
import { interruptible } from '../interrupt.ts';
import { humanBytes, Transfer } from '../transfer.ts';
import { readArguments, readOnly, UsageError } from '../usage.ts';
import { bringIn, bytesToCopy, filesOf, type How, isPickle, type Source } from './bringIn.ts';
import { fileWithCompany } from './company.ts';
import { openLocal } from './local.ts';
import { locked } from './lock.ts';
import { checkNames, checkNewName, type Names, writeNames } from './naming.ts';
import { localOptions, localOptionsHelp } from './options.ts';
import { checkSpace, openStaging, settle } from './staging.ts';
import { checkUsable, tell } from './usable.ts';

export const addHelp = `Usage: latentwire models add PATH [options]

Brings a model into the models folder: a diffusers folder, or a .safetensors or .gguf file (checkpoint, denoiser, text
encoder, LoRA, embedding, ControlNet or VAE). It is checked first; of one that is broken nothing is left behind. One that lies in the models folder already is
only given names, or a tokenizer. The AIR to use is all that goes to stdout.

Options:
  --air AIR            A name for tasks, such as civitai:4384@128713. Default: local:NAME@1
  --name NAME          What to call it in the models folder. Default: as the folder or file is called
  --alias NAME         Another name for tasks; may be given more than once
  --tokenizer FOLDER   vocab.json and merges.txt of a single file whose vocabulary is not CLIP's; others need none
  --link               Only link: the same bytes under a second name, on the same file system (hard links)
  --copy               Only copy. Default: link where that works, else copy
  --kind KIND          Refuse it if it is not that: ${'checkpoint, lora, embedding, controlNet, vae, tinyVae or textEncoder'}
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
  const local = openLocal(values);
  const found = await describeModel(source, [local.modelsDir]);
  checkUsable(found);
  if (values.kind !== undefined && values.kind !== found.kind) {
    throw new Error(`${source} is of the kind ${found.kind}, not ${values.kind}.`);
  }
  await mkdir(local.modelsDir, { recursive: true });
  const target = await targetOf(local.modelsDir, source, isFolder, values.name, found.kind);
  const name = weightsStem(target.item);
  const names: Names = { air: values.air, aliases: values.alias ?? [], force: values.force === true };
  if (!target.inside) await checkNewName(local, name);
  await checkNames(local, names, path.join(target.folder, target.item));
  // Of what lies there already, only a tokenizer can be missing.
  if (!target.inside || values.tokenizer !== undefined) {
    const sources = isFolder ? await filesOf(source, name) : await fileWithCompany(source, name, values.tokenizer);
    const work = (signal: AbortSignal) => bring(target, name, sources, how, local.modelsDir, signal);
    await interruptible(work, 'Stopped; nothing was added.');
  }
  const place = path.relative(local.modelsDir, path.join(target.folder, target.item));
  if (found.kind === 'textEncoder') {
    process.stderr.write(`Tasks do not name a text encoder: models that need it find it in ${target.folder}.\n`);
    return;
  }
  await writeNames(local, place, names, isFolder);
  await tell(local, place);
}

/** Where a model goes, or is. */
interface Target {
  /** Absolute: the models folder, or one below it. */
  folder: string;
  /** Name of the folder or file in there. */
  item: string;
  /** It lies there already and only gets names, or its tokenizer. */
  inside: boolean;
}

async function targetOf(
  modelsDir: string,
  source: string,
  isFolder: boolean,
  name: string | undefined,
  kind: ModelDescription['kind'],
): Promise<Target> {
  const item = path.basename(source);
  const below = path.relative(await realpath(modelsDir), path.join(await realpath(path.dirname(source)), item));
  if (below !== '' && !below.startsWith('..') && !path.isAbsolute(below)) {
    if (name !== undefined)
      throw new UsageError('--name is for what is not in the models folder yet; rename it there.');
    return { folder: path.dirname(path.join(modelsDir, below)), item, inside: true };
  }
  const ending = path.extname(item).toLowerCase();
  const wanted = name ?? weightsStem(item);
  // Models that are put together from several files look for their text encoders there.
  const folder = kind === 'textEncoder' ? path.join(modelsDir, 'text_encoders') : modelsDir;
  return { folder, item: isFolder ? wanted : wanted + ending, inside: false };
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
  if (!isWeightsFile(source)) {
    const kind = (await foreignKind(source)) ?? 'what it is cannot be told';
    const hint = kind === 'it is a safetensors file' ? 'Rename it to end in .safetensors' : 'Nothing else can be added';
    throw new Error(`${source} is neither a folder nor a .safetensors or .gguf file: ${kind}. ${hint}.`);
  }
  return false;
}

async function bring(
  { folder, item, inside }: Target,
  name: string,
  sources: readonly Source[],
  how: How,
  modelsDir: string,
  signal: AbortSignal,
): Promise<void> {
  await using staging = await openStaging(modelsDir);
  await checkSpace(staging.folder, await bytesToCopy(sources, staging.folder, how));
  const bytes = sources.reduce((sum, source) => sum + source.bytes, 0);
  const transfer = new Transfer(`adding ${name}`, bytes);
  let done: { linked: number; copied: number };
  try {
    done = await bringIn(sources, staging.folder, how, transfer, signal);
  } finally {
    transfer.end();
  }
  // What was checked is the original; this is what will be used.
  checkUsable(await describeModel(path.join(staging.folder, item), [modelsDir]));
  signal.throwIfAborted();
  const items = [...new Set(sources.map(({ to }) => to.split(path.sep)[0]!))];
  const missing = inside ? items.filter((each) => /\.tokenizer(_[23])?$/.test(each)) : items;
  await mkdir(folder, { recursive: true });
  const moves = missing.map((each) => [path.join(staging.folder, each), path.join(folder, each)] as const);
  await locked(modelsDir, () => settle(moves));
  if (inside) return;
  const told = [
    done.linked > 0 && `linked ${humanBytes(done.linked)}`,
    done.copied > 0 && `copied ${humanBytes(done.copied)}`,
  ];
  process.stderr.write(`${name}: ${told.filter(Boolean).join(', ')}.\n`);
}
