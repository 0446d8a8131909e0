import { mkdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import {
  describeModel,
  foreignKind,
  isWeightsFile,
  type ModelDescription,
  type ModelParts,
  weightsStem,
} from '../../../runtime/index.ts';
import { kindNames } from '../../../server/catalog/catalog.ts';
import { partFolders } from '../../../server/catalog/modelsFolder.ts';
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

Adds a model to the models folder: a diffusers folder, or a .safetensors or .gguf file (checkpoint, denoiser, text encoder,
LoRA, embedding, ControlNet, VAE, IP-Adapter, FLUX.1 Redux, or an image encoder). Checks the model first and adds nothing
if it is broken. A model that is in the models folder already only gets names, parts or a tokenizer. Prints only the AIR of
the model to stdout.

Options:
  --air AIR            A name for tasks, such as civitai:4384@128713. Default: local:NAME@1
  --name NAME          Its name in the models folder. Default: the name of the folder or file
  --alias NAME         Another name for tasks; may be given more than once
  --text-encoder FILE  A text encoder for a denoiser's file; may be given more than once. Default: those in text_encoders/ of
                       the models folder, where a file from elsewhere is added
  --vae PATH           The VAE for a model, likewise in vae/
  --tokenizer FOLDER   Tokenizer of a single file whose vocabulary is not CLIP's: vocab.json and merges.txt, or tokenizer.json
  --link               Only link (hard links, on the same file system)
  --copy               Only copy. Default: link where that works, else copy
  --kind KIND          Refuse the model if it is of another kind: ${'checkpoint, lora, embedding, controlNet, vae, tinyVae, ipAdapter, upscaler, textEncoder or imageEncoder'}
  --force              Take the AIR or alias from the model that has it in models.json
${localOptionsHelp}
`;

const options = {
  ...localOptions,
  air: { type: 'string' },
  name: { type: 'string' },
  alias: { type: 'string', multiple: true },
  'text-encoder': { type: 'string', multiple: true },
  vae: { type: 'string' },
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
  const chosen = partsGiven(values);
  const found = await describeModel(source, { ...chosen, besides: [local.modelsDir] });
  checkUsable(found);
  if (values.kind !== undefined && values.kind !== found.kind) {
    throw new Error(`${source} is a ${found.kind}, not a ${values.kind}.`);
  }
  await mkdir(local.modelsDir, { recursive: true });
  const target = await targetOf(local.modelsDir, source, isFolder, values.name, found.kind);
  const name = weightsStem(target.item);
  const names: Names = { air: values.air, aliases: values.alias ?? [], force: values.force === true };
  if (!target.inside) await checkNewName(local, name);
  await checkNames(local, names, path.join(target.folder, target.item));
  const parts = await placeParts(chosen, local.modelsDir);
  // A model inside the folder can lack only a tokenizer or a part.
  if (!target.inside || values.tokenizer !== undefined || parts.some(({ sources }) => sources.length > 0)) {
    const sources = isFolder ? await filesOf(source, name) : await fileWithCompany(source, name, values.tokenizer);
    const work = (signal: AbortSignal) => bring(target, name, sources, parts, how, local.modelsDir, signal);
    await interruptible(work, 'Stopped; nothing was added.');
  }
  const place = path.relative(local.modelsDir, path.join(target.folder, target.item));
  if (partFolders[found.kind] !== undefined) {
    process.stderr.write(`Tasks do not name ${kindNames[found.kind]}. Models find it in ${target.folder}.\n`);
    return;
  }
  await writeNames(local, place, { ...names, parts: partsBelow(parts) }, isFolder);
  await tell(local, place, values.air);
}

function partsGiven(values: { 'text-encoder'?: string[] | undefined; vae?: string | undefined }): ModelParts {
  const { 'text-encoder': encoders, vae } = values;
  return {
    ...(encoders && { textEncoders: encoders.map((file) => path.resolve(file)) }),
    ...(vae !== undefined && { vae: path.resolve(vae) }),
  };
}

/** A chosen part of a model. */
interface PlacedPart {
  field: keyof ModelParts;
  /** Below the models folder, with slashes. */
  place: string;
  /** Its files, where it does not lie there yet; they go to the hidden folder `.parts` of the staging. */
  sources: Source[];
}

/** The places of chosen parts. Throws a sentence if another file has the name. */
async function placeParts(chosen: ModelParts, modelsDir: string): Promise<PlacedPart[]> {
  const place = async (file: string, field: keyof ModelParts, folder: string): Promise<PlacedPart> => {
    const below = path.relative(await realpath(modelsDir), await realpath(file));
    if (below !== '' && !below.startsWith('..') && !path.isAbsolute(below)) {
      return { field, place: below.split(path.sep).join('/'), sources: [] };
    }
    const item = `${folder}/${path.basename(file)}`;
    if (await stat(path.join(modelsDir, item)).catch(() => undefined)) {
      throw new Error(`${path.join(modelsDir, item)} exists already. Name that one, or rename ${file}.`);
    }
    const isFolder = (await stat(file)).isDirectory();
    const name = path.basename(file);
    const found = isFolder ? await filesOf(file, name) : await fileWithCompany(file, weightsStem(name), undefined);
    const sources = found.map((source) => ({ ...source, to: path.join('.parts', folder, source.to) }));
    return { field, place: item, sources };
  };
  const { textEncoders = [], vae } = chosen;
  return await Promise.all([
    ...textEncoders.map((file) => place(file, 'textEncoders', 'text_encoders')),
    ...(vae === undefined ? [] : [place(vae, 'vae', 'vae')]),
  ]);
}

/** The parts as requests name them, those that are brought in being in `staged` still; without it, as `models.json` has them. */
function partsBelow(parts: readonly PlacedPart[], modelsDir?: string, staged?: string): ModelParts {
  const pathsOf = (wanted: keyof ModelParts) =>
    parts
      .filter(({ field }) => field === wanted)
      .map(({ place, sources }) => {
        if (modelsDir === undefined || staged === undefined) return place;
        return sources.length > 0 ? path.join(staged, '.parts', place) : path.join(modelsDir, place);
      });
  const [textEncoders, [vae]] = [pathsOf('textEncoders'), pathsOf('vae')];
  return { ...(textEncoders.length > 0 && { textEncoders }), ...(vae !== undefined && { vae }) };
}

/** Where a model goes, or is. */
interface Target {
  /** Absolute: the models folder, or one below it. */
  folder: string;
  /** Name of the folder or file in there. */
  item: string;
  /** It is there already and only gets names or a tokenizer. */
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
      throw new UsageError('--name is for models outside the models folder. Rename this one there.');
    return { folder: path.dirname(path.join(modelsDir, below)), item, inside: true };
  }
  const ending = path.extname(item).toLowerCase();
  const wanted = name ?? weightsStem(item);
  const folder = path.join(modelsDir, partFolders[kind] ?? '');
  return { folder, item: isFolder ? wanted : wanted + ending, inside: false };
}

/** @returns whether it is a folder */
async function checkSource(source: string): Promise<boolean> {
  const found = await stat(source).catch(() => undefined);
  if (found === undefined) throw new Error(`There is no ${source}.`);
  if (found.isDirectory()) return true;
  if (isPickle(source)) {
    throw new Error(
      `${path.basename(source)} is a pickle, and opening a pickle can run code. Get the model as ` +
        '.safetensors: most model sites offer both.',
    );
  }
  if (!isWeightsFile(source)) {
    const kind = (await foreignKind(source)) ?? 'its format is unknown';
    const hint =
      kind === 'it is a safetensors file' ? 'Rename it to end in .safetensors' : 'Other files cannot be added';
    throw new Error(`${source} is neither a folder nor a .safetensors or .gguf file: ${kind}. ${hint}.`);
  }
  return false;
}

async function bring(
  { folder, item, inside }: Target,
  name: string,
  own: readonly Source[],
  parts: readonly PlacedPart[],
  how: How,
  modelsDir: string,
  signal: AbortSignal,
): Promise<void> {
  await using staging = await openStaging(modelsDir);
  const sources = [...own, ...parts.flatMap((part) => part.sources)];
  await checkSpace(staging.folder, await bytesToCopy(sources, staging.folder, how));
  const bytes = sources.reduce((sum, source) => sum + source.bytes, 0);
  const transfer = new Transfer(`adding ${name}`, bytes);
  let done: { linked: number; copied: number };
  try {
    done = await bringIn(sources, staging.folder, how, transfer, signal);
  } finally {
    transfer.end();
  }
  // The first check was of the original.
  const chosen = partsBelow(parts, modelsDir, staging.folder);
  checkUsable(await describeModel(path.join(staging.folder, item), { ...chosen, besides: [modelsDir] }));
  signal.throwIfAborted();
  const items = [...new Set(own.map(({ to }) => to.split(path.sep)[0]!))];
  const missing = inside ? items.filter((each) => /\.tokenizer(_[23])?$/.test(each)) : items;
  await mkdir(folder, { recursive: true });
  const moves = missing.map((each) => [path.join(staging.folder, each), path.join(folder, each)] as const);
  // The items of `.parts/vae/` go to `vae/` of the models folder.
  const brought = parts.flatMap((part) => part.sources.map(({ to }) => path.join(...to.split(path.sep).slice(1, 3))));
  for (const place of new Set(brought)) {
    await mkdir(path.dirname(path.join(modelsDir, place)), { recursive: true });
    moves.push([path.join(staging.folder, '.parts', place), path.join(modelsDir, place)]);
  }
  await locked(modelsDir, () => settle(moves));
  if (inside) return;
  const told = [
    done.linked > 0 && `linked ${humanBytes(done.linked)}`,
    done.copied > 0 && `copied ${humanBytes(done.copied)}`,
  ];
  process.stderr.write(`${name}: ${told.filter(Boolean).join(', ')}.\n`);
}
