import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Logger } from 'pino';
import type { ModelDescription, ModelParts } from '../../runtime/index.ts';

/** An entry of a models folder that looks like a model. */
export interface FoundModel {
  /** Absolute path of a folder or a file. */
  path: string;
  /** Path below the models folder, with slashes. */
  place: string;
  /** Names, sizes and times of its files; a change means a changed model. */
  stamp: string;
  /** Its names in `models.json`, the AIR first. */
  names: string[];
  /** Its tiny decoder in `models.json`. */
  tinyDecoder?: string;
  /** The text encoders and the autoencoder that `models.json` gives it. */
  parts?: ModelParts;
  /** Why what `models.json` says of its parts cannot be used; a sentence. */
  fault?: string;
  /** An entry of `models.json` before this one has the same file, with other parts: the model has the names of its entry alone. */
  isVariant?: boolean;
}

/** Folder names of each kind in other tools, scanned if they are not models themselves. */
export const customaryFolders: Record<string, ModelDescription['kind']> = {
  checkpoints: 'checkpoint',
  controlnet: 'controlNet',
  diffusion_models: 'checkpoint',
  embeddings: 'embedding',
  'ip-adapter': 'ipAdapter',
  ip_adapter: 'ipAdapter',
  ipadapter: 'ipAdapter',
  lora: 'lora',
  loras: 'lora',
  style_models: 'ipAdapter',
  unet: 'checkpoint',
  upscale_models: 'upscaler',
  upscalers: 'upscaler',
  vae: 'vae',
};

/** Folders of what tasks do not name: models that need it find it there. */
export const partFolders: Partial<Record<ModelDescription['kind'], string>> = {
  imageEncoder: 'clip_vision',
  textEncoder: 'text_encoders',
};

/** Limit of config files in bytes. */
const mostBytes = 4 * 2 ** 20;

/** Unusable formats such as pickles are listed with the reason. */
const modelFile = /\.(safetensors|ckpt|pt|pth|bin|gguf)$/i;

/** What `models.json` says of a model: its names, and what else is known of it. */
interface Named {
  names: string[];
  tinyDecoder?: string;
  /** As they stand there, whatever they are. */
  parts: { textEncoders?: unknown; vae?: unknown };
}

interface Names {
  stamp: string;
  /** For each place below the models folder what its entries say: one, or one for each choice of parts. */
  places: Map<string, Named[]>;
}

/**
 * One models folder. Models are its subfolders with a `model_index.json`, or with a `config.json` that names a class,
 * and its files; also those in the usual subfolders. `models.json` gives them ids: `{ "civitai:4384@128713":
 * "dreamshaper", "runware:100@1": { "file": "loras/pixel.safetensors", "aliases": ["pixel"] } }`.
 */
export class ModelsFolder {
  readonly #folder: string;
  readonly #log: Logger;
  #names: Names = { stamp: '', places: new Map() };

  constructor(folder: string, log: Logger) {
    this.#folder = folder;
    this.#log = log;
  }

  /** All entries by name, with the content of a usual subfolder in its place. Empty without a folder. */
  async look(): Promise<FoundModel[]> {
    const { places } = await this.#readNames();
    // The path may be anywhere in the folder.
    const all = new Set([...(await this.#places('', true)), ...places.keys()]);
    const found = await Promise.all(
      [...all].map(async (place): Promise<FoundModel[]> => {
        const file = path.join(this.#folder, place);
        // The settings of a single file are beside it.
        const [stamp, beside] = await Promise.all([stampOf(file), stampOf(`${file}.json`)]);
        if (stamp === undefined) return [];
        const common = { path: file, place, stamp: `${stamp} ${beside}`, names: [] };
        const named = places.get(place);
        if (named === undefined) return [common];
        return await Promise.all(
          named.map(async ({ names, tinyDecoder, parts }, index) => ({
            ...common,
            names,
            ...(tinyDecoder !== undefined && { tinyDecoder }),
            ...(await this.#choose(parts, common.stamp)),
            ...(index > 0 && { isVariant: true }),
          })),
        );
      }),
    );
    return found.flat();
  }

  /** The parts that an entry of `models.json` chooses, and the stamp of the model with them. */
  async #choose(
    { textEncoders, vae }: Named['parts'],
    stamp: string,
  ): Promise<Pick<FoundModel, 'stamp' | 'parts' | 'fault'>> {
    const isList = Array.isArray(textEncoders) && textEncoders.length > 0;
    const chosen = [
      ...(isList ? textEncoders : [textEncoders]).map((where) => ({ where, said: 'textEncoders' as const })),
      { where: vae, said: 'vae' as const },
    ].filter(({ where }) => where !== undefined);
    if (chosen.length === 0) return { stamp };
    const files: string[] = [];
    try {
      if (textEncoders !== undefined && !isList) throw new Error('"textEncoders" must be a list of files');
      for (const { where, said } of chosen) files.push(await this.#inside(where, said));
    } catch (error) {
      const { message } = error as Error;
      return { stamp: `${stamp} ${message}`, fault: `In models.json, ${message}.` };
    }
    const stamps = await Promise.all(files.map(async (file) => `${file} ${await stampOf(file)}`));
    return {
      stamp: [stamp, ...stamps].join(' '),
      parts: {
        ...(isList && { textEncoders: files.slice(0, textEncoders.length) }),
        ...(vae !== undefined && { vae: files.at(-1)! }),
      },
    };
  }

  /** The absolute path of what an entry names, links followed. Throws half a sentence for what is not in the models folder. */
  async #inside(where: unknown, said: string): Promise<string> {
    if (typeof where !== 'string' || where === '') throw new Error(`"${said}" must name files of the models folder`);
    const root = await realpath(this.#folder);
    const file = await realpath(path.join(root, where)).catch(() => undefined);
    if (file === undefined) throw new Error(`"${said}" names ${where}, which does not exist`);
    if (path.isAbsolute(where) || !file.startsWith(root + path.sep)) {
      throw new Error(`"${said}" names ${where}, which is not in the models folder`);
    }
    return file;
  }

  async #places(below: string, deeper: boolean): Promise<string[]> {
    const entries = await readdir(path.join(this.#folder, below), { withFileTypes: true }).catch(() => []);
    const visible = entries.filter(({ name }) => !name.startsWith('.'));
    const places = await Promise.all(
      visible
        .sort((a, b) => a.name.localeCompare(b.name))
        .map(async (entry): Promise<string[]> => {
          const place = path.posix.join(below, entry.name);
          const file = path.join(this.#folder, place);
          const isLinkedFolder = entry.isSymbolicLink() && (await isFolder(file));
          if (!entry.isDirectory() && !isLinkedFolder) return modelFile.test(entry.name) ? [place] : [];
          if (await isModelFolder(file)) return [place];
          const isCustomary = deeper && Object.hasOwn(customaryFolders, entry.name.toLowerCase());
          // IP-Adapters lie beside the folder of their encoder.
          if (!isCustomary && !(await isFolder(path.join(file, 'image_encoder')))) return [];
          return await this.#places(place, false);
        }),
    );
    return places.flat();
  }

  /** A broken `models.json` is logged once and counts as empty; if only entries are broken, the others count. */
  async #readNames(): Promise<Names> {
    const file = path.join(this.#folder, 'models.json');
    const stamp = (await stampOf(file)) ?? '';
    if (stamp === this.#names.stamp) return this.#names;
    const places: Names['places'] = new Map();
    try {
      // Some editors put a byte order mark before everything.
      const text = stamp === '' ? '{}' : (await readSmall(file)).replace(/^\ufeff/, '');
      const content: unknown = JSON.parse(text);
      if (!isObject(content)) throw new TypeError('It is not an object that maps AIRs to models.');
      for (const [air, value] of Object.entries(content)) {
        const named = namedBy(air, value);
        if (named === undefined) {
          this.#log.error({ file, air }, 'An entry of models.json is broken and ignored: it needs "folder" or "file".');
          continue;
        }
        const { place, ...said } = named;
        const before = places.get(place) ?? [];
        const same = before.find(({ parts }) => JSON.stringify(parts) === JSON.stringify(said.parts));
        if (same) Object.assign(same, { ...said, names: [...same.names, ...said.names] });
        else places.set(place, [...before, said]);
      }
    } catch (error) {
      this.#log.error({ file, err: error }, 'The file models.json cannot be read; its names are ignored.');
      places.clear();
    }
    this.#names = { stamp, places };
    return this.#names;
  }
}

/** Undefined for a value that is neither a path nor an object with one. */
function namedBy(air: string, value: unknown): (Named & { place: string }) | undefined {
  const { file, folder, aliases, tinyDecoder, textEncoders, vae } = isObject(value) ? value : { folder: value };
  const where = file ?? folder;
  if (typeof where !== 'string' || where === '') return undefined;
  const others = Array.isArray(aliases) ? aliases.filter((alias): alias is string => typeof alias === 'string') : [];
  return {
    place: path.posix.join(where),
    names: [air, ...others],
    ...(typeof tinyDecoder === 'string' && tinyDecoder !== '' && { tinyDecoder }),
    parts: { textEncoders, vae },
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Throws for oversized files, and for pipes and devices, which would never end. */
async function readSmall(file: string): Promise<string> {
  const found = await stat(file);
  if (!found.isFile() || found.size > mostBytes) throw new Error(`It is not a file of at most ${mostBytes} bytes.`);
  return await readFile(file, 'utf8');
}

async function isFolder(file: string): Promise<boolean> {
  const found = await stat(file).catch(() => undefined);
  return found?.isDirectory() ?? false;
}

async function isModelFolder(folder: string): Promise<boolean> {
  if (await stat(path.join(folder, 'model_index.json')).catch(() => undefined)) return true;
  const text = await readSmall(path.join(folder, 'config.json')).catch(() => undefined);
  // Invalid JSON still counts as a model; its description has the error.
  return text?.includes('"_class_name"') ?? false;
}

/** State of a file, or of all files of a folder; undefined if it is missing. */
async function stampOf(file: string, depth = 2): Promise<string | undefined> {
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) return undefined;
  if (!found.isDirectory() || depth === 0) return `${found.size} ${found.mtimeMs}`;
  const names = await readdir(file).catch(() => []);
  const stamps = await Promise.all(
    names.sort().map(async (name) => `${name} ${await stampOf(path.join(file, name), depth - 1)}`),
  );
  return stamps.join('\n');
}
