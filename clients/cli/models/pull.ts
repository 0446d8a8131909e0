import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { describeModel } from '../../../runtime/index.ts';
import { partFolders } from '../../../server/catalog/modelsFolder.ts';
import { interruptible } from '../interrupt.ts';
import { Transfer } from '../transfer.ts';
import { readArguments, readOnly, UsageError } from '../usage.ts';
import { download } from './download.ts';
import { Hub, type HubFile, type Repository } from './hub.ts';
import { findEntry, openLocal } from './local.ts';
import { locked } from './lock.ts';
import { checkNames, checkNewName, type Names, writeNames } from './naming.ts';
import { localOptions, localOptionsHelp } from './options.ts';
import { type Selection, select, shardsOf, type Wishes } from './selection.ts';
import { checkSpace, openKeptStaging, settle } from './staging.ts';
import { tell } from './usable.ts';

export const pullHelp = `Usage: latentwire models pull REPOSITORY[@REVISION] [options]

Downloads a model from Hugging Face, or from the hub at HF_ENDPOINT: of a diffusers pipeline the configs, the tokenizers and
one set of safetensors weights; of other repositories the one model in them. Checks every file against its checksum. After
Ctrl-C the same command resumes the download. Prints only the AIR of the model to stdout.

Options:
  --air AIR            A name for tasks. Default: local:NAME@1. The name of the repository works too
  --name NAME          Its name in the models folder. Default: the name of the repository
  --alias NAME         Another name for tasks; may be given more than once
  --variant NAME       Variant of the weights, such as fp16. Default: the weights without a variant, else any
  --include PATTERN    Download only the files that match (* and ?); may be given more than once
  --exclude PATTERN    Skip the files that match; may be given more than once
  --force              Take the AIR or alias from the model that has it in models.json
${localOptionsHelp}

Variables: HF_ENDPOINT (default https://huggingface.co); HF_TOKEN for private and gated repositories, sent only to it.
`;

const options = {
  ...localOptions,
  air: { type: 'string' },
  name: { type: 'string' },
  alias: { type: 'string', multiple: true },
  variant: { type: 'string' },
  include: { type: 'string', multiple: true },
  exclude: { type: 'string', multiple: true },
  force: { type: 'boolean' },
} as const;

export async function pull(args: string[]): Promise<void> {
  const { values, positionals } = readArguments('models pull', args, options);
  const asked = readOnly(positionals, 'which repository to download, such as stabilityai/sd-turbo');
  const [, id = '', , revision = 'main'] = /^([\w.-]+(\/[\w.-]+)?)(?:@(\S+))?$/.exec(asked) ?? [];
  if (id === '' || id.includes('..')) throw new UsageError(`"${asked}" is not OWNER/NAME or OWNER/NAME@REVISION.`);
  const name = values.name ?? path.posix.basename(id);
  const names: Names = { air: values.air, aliases: values.alias ?? [], force: values.force === true };
  const local = openLocal(values);
  await mkdir(local.modelsDir, { recursive: true });
  await checkNewName(local, name);
  await checkNames(local, names, path.join(local.modelsDir, name));
  const { HF_ENDPOINT, HF_TOKEN } = process.env;
  const item = await interruptible(async (signal) => {
    const hub = new Hub({ endpoint: HF_ENDPOINT || 'https://huggingface.co', token: HF_TOKEN || undefined, signal });
    const wishes = { variant: values.variant, include: values.include ?? [], exclude: values.exclude ?? [] };
    return await fetchModel(hub, await hub.list(id, revision), wishes, local.modelsDir, name);
  }, 'Stopped. The same command resumes the download.');
  if (item !== path.basename(item)) {
    process.stderr.write(`Tasks do not name this part. Models find it in ${path.dirname(item)}.\n`);
    return;
  }
  const free = findEntry(await local.list(), id) === undefined;
  await writeNames(local, item, { ...names, aliases: [...names.aliases, ...(free ? [id] : [])] }, item === name);
  await tell(local, item);
}

/**
 * Downloads the needed files of a repository into the models folder.
 *
 * @returns the name of the new folder or file
 */
export async function fetchModel(
  hub: Hub,
  repository: Repository,
  wishes: Wishes,
  modelsDir: string,
  name: string,
): Promise<string> {
  // The name has the commit, so leftover files belong to it.
  await using staging = await openKeptStaging(modelsDir, `${name}@${repository.commit.slice(0, 12)}`);
  await removeOlder(staging.folder);
  const fetchSmall = (paths: readonly string[]) => fetchAll(hub, repository, paths, staging.folder, silent);
  const all = repository.files.map(({ path }) => path);
  const isPipeline = all.includes('model_index.json') && wishes.include.length === 0;
  if (isPipeline) await fetchSmall(['model_index.json']);
  const selection = select(all, isPipeline ? await readIndex(staging.folder) : undefined, wishes);
  const small = selection.paths.filter((file) => !/\.(safetensors|gguf|onnx|onnx_data|pb)$/.test(file));
  await fetchSmall(small);
  const paths = await withShards(selection, staging.folder, all);
  if (isPipeline) {
    // The configs alone tell whether the pipeline can run here.
    const { family, reason } = await describeModel(staging.folder);
    if (family === 'unknown') {
      await rm(staging.folder, { recursive: true });
      throw new Error(`${repository.id} cannot be used: ${reason}`);
    }
  }
  const bytes = paths.reduce((sum, file) => sum + (fileOf(repository, file).bytes ?? 0), 0);
  await checkSpace(modelsDir, bytes - (await sizeBelow(staging.folder)));
  const transfer = new Transfer(`fetching ${name}`, bytes);
  let done = false;
  try {
    await fetchAll(hub, repository, paths, staging.folder, transfer);
    done = true;
  } finally {
    transfer.end(done);
  }
  await removeStrays(staging.folder, new Set(paths));
  const isFile = selection.layout === 'file';
  const from = isFile ? path.join(staging.folder, paths[0]!) : staging.folder;
  const folder = isFile ? partFolders[(await describeModel(from)).kind] : undefined;
  const item = path.join(folder ?? '', isFile ? name + path.extname(from) : name);
  await mkdir(path.dirname(path.join(modelsDir, item)), { recursive: true });
  await locked(modelsDir, () => settle([[from, path.join(modelsDir, item)]]));
  if (isFile) await rm(staging.folder, { recursive: true });
  return item;
}

async function fetchAll(
  hub: Hub,
  repository: Repository,
  paths: readonly string[],
  folder: string,
  meter: Pick<Transfer, 'advance' | 'skip' | 'say'>,
): Promise<void> {
  for (const file of paths) {
    await download(hub, repository, fileOf(repository, file), path.join(folder, ...file.split('/')), meter);
  }
}

const silent = {
  advance() {},
  skip() {},
  say: (sentence: string) => void process.stderr.write(`${sentence}\n`),
};

async function withShards({ paths, shardIndexes }: Selection, folder: string, all: readonly string[]) {
  const whole = new Set(paths);
  for (const index of shardIndexes) {
    const text = await readFile(path.join(folder, ...index.split('/')), 'utf8');
    for (const shard of shardsOf(index, text, all)) whole.add(shard);
  }
  return [...whole];
}

function fileOf({ files }: Repository, wanted: string): HubFile {
  return files.find((file) => file.path === wanted) ?? { path: wanted };
}

async function readIndex(folder: string): Promise<Record<string, unknown>> {
  try {
    const index: unknown = JSON.parse(await readFile(path.join(folder, 'model_index.json'), 'utf8'));
    if (typeof index === 'object' && index !== null) return index as Record<string, unknown>;
  } catch {
    // The error below covers it.
  }
  throw new Error('The model_index.json of the repository is not a JSON object.');
}

/** Removes files that a call with other options left. */
async function removeStrays(folder: string, wanted: ReadonlySet<string>): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name);
    const place = path.relative(folder, file).split(path.sep).join('/');
    if (entry.isFile() && !wanted.has(place)) await rm(file);
  }
}

async function removeOlder(folder: string): Promise<void> {
  const [name] = path.basename(folder).split(/@[^@]*$/);
  for (const other of await readdir(path.dirname(folder))) {
    const isOlder = other !== path.basename(folder) && other.startsWith(`${name}@`);
    if (isOlder) await rm(path.join(path.dirname(folder), other), { recursive: true });
  }
}

async function sizeBelow(folder: string): Promise<number> {
  let sum = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) sum += (await stat(path.join(entry.parentPath, entry.name))).size;
  }
  return sum;
}
