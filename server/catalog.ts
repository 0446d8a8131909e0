import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Logger } from 'pino';
import { TaskError } from '../protocol/errors.ts';
import type { ModelDescription } from '../runtime/index.ts';

/** A model under the name that clients give. */
export interface CatalogEntry {
  /** The first of its ids: from `models.json`, or `local:<folder>@1`. */
  air: string;
  /** All spellings that mean this model. */
  ids: string[];
  model: ModelDescription;
}

export interface CatalogOptions {
  /** Folders whose subfolders are models. One that does not exist is empty. */
  modelsDirs: readonly string[];
  defaultModel: string;
  describe: (folder: string) => Promise<ModelDescription>;
  log: Logger;
}

/** How long a look at the folders counts, in milliseconds; a model copied in is found after that. */
const freshMs = 2_000;

/**
 * The models that clients can name. A `models.json` in a models folder gives ids to its subfolders:
 * `{ "civitai:4384@128713": "dreamshaper", "runware:100@1": { "folder": "flux", "aliases": ["flux"] } }`.
 */
export class Catalog {
  readonly #options: CatalogOptions;
  #entries: CatalogEntry[] = [];
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;
  /** Descriptions by folder, with what the folder looked like; an unavailable model is described again each time. */
  readonly #described = new Map<string, { stamp: string; model: ModelDescription }>();

  constructor(options: CatalogOptions) {
    this.#options = options;
  }

  /** All models, the unavailable ones too: the default one first, the others in the order of folders and names. */
  async list(): Promise<readonly CatalogEntry[]> {
    if (performance.now() - this.#lookedAt > freshMs) {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined;
      });
      await this.#looking;
    }
    return this.#entries;
  }

  /** The model that a task names, or the default one. Throws `modelNotFound` or `modelUnavailable`. */
  async find(name: string | undefined): Promise<CatalogEntry> {
    const entries = await this.list();
    const entry = entries.find(({ ids }) => has(ids, name ?? this.#options.defaultModel));
    if (entry === undefined) {
      const available = entries.filter(({ model }) => model.available).map(({ air }) => air);
      throw new TaskError('modelNotFound', {
        message: `This server has no model ${name ?? this.#options.defaultModel}. It has: ${available.join(', ') || 'none'}.`,
        parameter: 'model',
        type: 'string',
        allowedValues: available,
      });
    }
    if (!entry.model.available) {
      throw new TaskError('modelUnavailable', {
        message: `The model ${entry.air} cannot be used: ${entry.model.reason ?? 'it is broken'}`,
        parameter: 'model',
      });
    }
    return entry;
  }

  async #look(): Promise<void> {
    const entries: CatalogEntry[] = [];
    const taken = new Set<string>();
    for (const modelsDir of this.#options.modelsDirs) {
      const names = await readNames(modelsDir, this.#options.log);
      for (const folder of await modelFolders(modelsDir)) {
        const name = path.basename(folder);
        const ids = [...(names.get(name) ?? []), `local:${name}@1`, name].filter((id) => !taken.has(id.toLowerCase()));
        const air = ids[0];
        // Shadowed by a model of the same name in an earlier folder.
        if (air === undefined) continue;
        for (const id of ids) taken.add(id.toLowerCase());
        entries.push({ air, ids, model: await this.#describe(folder) });
      }
    }
    const isDefault = ({ ids }: CatalogEntry) => Number(has(ids, this.#options.defaultModel));
    this.#entries = entries.sort((a, b) => isDefault(b) - isDefault(a));
    this.#lookedAt = performance.now();
  }

  async #describe(folder: string): Promise<ModelDescription> {
    const stamp = await stampOf(folder);
    const known = this.#described.get(folder);
    if (known?.model.available && known.stamp === stamp) return known.model;
    const model = await this.#options.describe(folder);
    this.#described.set(folder, { stamp, model });
    return model;
  }
}

async function modelFolders(modelsDir: string): Promise<string[]> {
  const entries = await readdir(modelsDir, { withFileTypes: true }).catch(() => []);
  const folders: string[] = [];
  for (const entry of entries.sort((a, b) => a.name.localeCompare(b.name))) {
    const folder = path.join(modelsDir, entry.name);
    const isFolder = entry.isDirectory() || (entry.isSymbolicLink() && (await isDirectory(folder)));
    if (isFolder && (await stat(path.join(folder, 'model_index.json')).catch(() => undefined))) folders.push(folder);
  }
  return folders;
}

async function isDirectory(file: string): Promise<boolean> {
  const found = await stat(file).catch(() => undefined);
  return found?.isDirectory() ?? false;
}

async function stampOf(folder: string): Promise<string> {
  const files = [folder, path.join(folder, 'model_index.json'), path.join(folder, 'latentwire.json')];
  const stats = await Promise.all(files.map((file) => stat(file).catch(() => undefined)));
  return stats.map((found) => found?.mtimeMs ?? 0).join(' ');
}

/** Folder name → the ids that `models.json` gives it. A broken file is logged and counts as none. */
async function readNames(modelsDir: string, log: Logger): Promise<Map<string, string[]>> {
  const names = new Map<string, string[]>();
  const file = path.join(modelsDir, 'models.json');
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return names;
  try {
    const content = JSON.parse(text) as Record<string, string | { folder: string; aliases?: string[] }>;
    for (const [air, value] of Object.entries(content)) {
      const { folder, aliases = [] } = typeof value === 'string' ? { folder: value } : value;
      names.set(folder, [...(names.get(folder) ?? []), air, ...aliases]);
    }
  } catch (error) {
    log.error({ file, err: error }, 'The file models.json cannot be read; its names are ignored.');
    names.clear();
  }
  return names;
}

function has(ids: readonly string[], wanted: string): boolean {
  return ids.some((id) => id.toLowerCase() === wanted.toLowerCase());
}
