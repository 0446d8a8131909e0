import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
/** What other tools call the folders of each kind; looked into where they are no model themselves. */
export const customaryFolders = {
  checkpoints: 'checkpoint',
  controlnet: 'controlNet',
  embeddings: 'embedding',
  lora: 'lora',
  loras: 'lora',
  vae: 'vae',
};
/** Bytes of the largest config that is read here. */
const mostBytes = 4 * 2 ** 20;
/** Pickled files and other formats cannot be used; they are found so that people read why. */
const modelFile = /\.(safetensors|ckpt|pt|pth|bin|gguf)$/i;
/**
 * One models folder. Models are its subfolders with a `model_index.json`, or with a `config.json` that names a class,
 * and its files; one level deeper, those in folders that are customary. `models.json` gives them ids:
 * `{ "civitai:4384@128713": "dreamshaper", "runware:100@1": { "file": "loras/pixel.safetensors", "aliases": ["pixel"] } }`.
 */
export class ModelsFolder {
  #folder;
  #log;
  #names = { stamp: '', places: new Map() };
  constructor(folder, log) {
    this.#folder = folder;
    this.#log = log;
  }
  /** Everything found, in the order of names, a customary folder's content at its place. Nothing where there is no folder. */
  async look() {
    const { places } = await this.#readNames();
    // A name may lead to where nobody would look.
    const all = new Set([...(await this.#places('', true)), ...places.keys()]);
    const found = await Promise.all(
      [...all].map(async (place) => {
        const file = path.join(this.#folder, place);
        // What a person has to say of a single file stands beside it.
        const [stamp, beside] = await Promise.all([stampOf(file), stampOf(`${file}.json`)]);
        if (stamp === undefined) return [];
        return [{ path: file, place, stamp: `${stamp} ${beside}`, names: [], ...places.get(place) }];
      }),
    );
    return found.flat();
  }
  async #places(below, deeper) {
    const entries = await readdir(path.join(this.#folder, below), { withFileTypes: true }).catch(() => []);
    const visible = entries.filter(({ name }) => !name.startsWith('.'));
    const places = await Promise.all(
      visible
        .sort((a, b) => a.name.localeCompare(b.name))
        .map(async (entry) => {
          const place = path.posix.join(below, entry.name);
          const file = path.join(this.#folder, place);
          const isLinkedFolder = entry.isSymbolicLink() && (await isFolder(file));
          if (!entry.isDirectory() && !isLinkedFolder) return modelFile.test(entry.name) ? [place] : [];
          if (await isModelFolder(file)) return [place];
          if (!deeper || !Object.hasOwn(customaryFolders, entry.name.toLowerCase())) return [];
          return await this.#places(place, false);
        }),
    );
    return places.flat();
  }
  /** A broken `models.json` is told once, and counts as empty; of one with broken entries the others count. */
  async #readNames() {
    const file = path.join(this.#folder, 'models.json');
    const stamp = (await stampOf(file)) ?? '';
    if (stamp === this.#names.stamp) return this.#names;
    const places = new Map();
    try {
      // Some editors put a byte order mark before everything.
      const text = stamp === '' ? '{}' : (await readSmall(file)).replace(/^\ufeff/, '');
      const content = JSON.parse(text);
      if (!isObject(content)) throw new TypeError('It is not an object that maps AIRs to models.');
      for (const [air, value] of Object.entries(content)) {
        const named = namedBy(value);
        if (named === undefined) {
          this.#log.error({ file, air }, 'An entry of models.json is broken and ignored: it needs "folder" or "file".');
          continue;
        }
        const { place, aliases, tinyDecoder } = named;
        const { names = [], ...known } = places.get(place) ?? {};
        places.set(place, { ...known, names: [...names, air, ...aliases], ...(tinyDecoder && { tinyDecoder }) });
      }
    } catch (error) {
      this.#log.error({ file, err: error }, 'The file models.json cannot be read; its names are ignored.');
      places.clear();
    }
    this.#names = { stamp, places };
    return this.#names;
  }
}
/** Undefined for what is neither a place nor an object with one. */
function namedBy(value) {
  const { file, folder, aliases, tinyDecoder } = isObject(value) ? value : { folder: value };
  const where = file ?? folder;
  if (typeof where !== 'string' || where === '') return undefined;
  return {
    place: path.posix.join(where),
    aliases: Array.isArray(aliases) ? aliases.filter((alias) => typeof alias === 'string') : [],
    ...(typeof tinyDecoder === 'string' && { tinyDecoder }),
  };
}
function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
/** Throws for what is larger than any real config, and for pipes and devices, which would be read for ever. */
async function readSmall(file) {
  const found = await stat(file);
  if (!found.isFile() || found.size > mostBytes) throw new Error(`It is not a file of at most ${mostBytes} bytes.`);
  return await readFile(file, 'utf8');
}
async function isFolder(file) {
  const found = await stat(file).catch(() => undefined);
  return found?.isDirectory() ?? false;
}
async function isModelFolder(folder) {
  if (await stat(path.join(folder, 'model_index.json')).catch(() => undefined)) return true;
  const text = await readSmall(path.join(folder, 'config.json')).catch(() => undefined);
  // What is no JSON is a model still, though a broken one, and its description says so.
  return text?.includes('"_class_name"') ?? false;
}
/** Of a file, or of all files of a folder and its subfolders; undefined where there is neither. */
async function stampOf(file, depth = 2) {
  const found = await stat(file).catch(() => undefined);
  if (found === undefined) return undefined;
  if (!found.isDirectory() || depth === 0) return `${found.size} ${found.mtimeMs}`;
  const names = await readdir(file).catch(() => []);
  const stamps = await Promise.all(
    names.sort().map(async (name) => `${name} ${await stampOf(path.join(file, name), depth - 1)}`),
  );
  return stamps.join('\n');
}
//# sourceMappingURL=modelsFolder.js.map
