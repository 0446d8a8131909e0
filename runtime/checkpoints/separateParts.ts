import { readdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Family, ModelSettings, SeparatePart } from '../families/family.ts';
import { isWeightsFile } from '../files/names.ts';
import { isFile, ModelError } from '../files/reading.ts';
import type { StoredTensor, StoredTensors } from '../files/safetensors.ts';
import { readWeightsHeader } from '../files/weights.ts';

/** Where text encoders and autoencoders lie beside the folder of the denoisers, in ComfyUI's words and in others'. */
const folders = {
  encoder: ['text_encoders', 'clip', 'text_encoder'],
  vae: ['vae'],
} as const;

/** Folders within a models folder of what is put together with files of other folders. */
const customary = /^(diffusion_models|unet|checkpoints|style_models|ip_?adapter|ip-adapter)$/i;

/** The models folder of a file, as far as that can be told: the folder that it lies in, and the one above a customary one. */
export function modelRoots(file: string): string[] {
  const here = dirname(file);
  return customary.test(basename(here)) ? [dirname(here), here] : [here];
}

/**
 * Puts a model together from the file of its denoiser and the files of its parts. For `models/diffusion_models/dream.gguf`,
 * each part is, in this order:
 *
 * 1. the file named in `models.json` or in `dream.gguf.json` (`"textEncoders":
 *    ["../text_encoders/encoder.safetensors"]`, `"vae"`): it must be there, and hold a part of the model;
 * 2. what the file itself holds;
 * 3. the first file by name, of those that hold such a part, in `text_encoders/`, `clip/` or `vae/` beside or below the
 *    folder of the denoiser, or in that folder itself; files whose names the part prefers come before all others.
 *
 * @param besides - further folders like that of the denoiser, such as a models folder that the file is to go to
 * @returns the tensors of all, in the layout of an all-in-one file
 * @throws {ModelError} naming the part and where to put it
 */
export async function withSeparateParts(
  file: string,
  family: Family,
  tensors: StoredTensors,
  settings: ModelSettings,
  besides: readonly string[],
): Promise<StoredTensors> {
  const whole = new Map<string, StoredTensor>(tensors);
  const lacking: SeparatePart[] = [];
  for (const part of family.file?.parts ?? []) {
    const holds = (prefix: string) => [...tensors.keys()].some((name) => name.startsWith(prefix));
    const prefix = [part.prefix, ...(part.otherPrefixes ?? [])].find(holds);
    if (prefix === undefined) lacking.push(part);
    else if (prefix !== part.prefix) {
      for (const [name, tensor] of tensors) {
        if (name.startsWith(prefix) && whole.delete(name)) whole.set(part.prefix + name.slice(prefix.length), tensor);
      }
    }
  }
  const named = await namedEncoders(file, family, settings);
  const search = new Search(file, besides);
  for (const part of new Set([...named.keys(), ...lacking])) {
    // Another autoencoder, folder or file, is read where the settings name it; and a request may bring one.
    if (part.part === 'vae' && settings.vaePath !== undefined) continue;
    const found =
      named.get(part) ?? (await search.find({ ...part, folders: part.part === 'vae' ? folders.vae : folders.encoder }));
    if (found) {
      for (const name of [...whole.keys()]) if (name.startsWith(part.prefix)) whole.delete(name);
      for (const [name, tensor] of part.rename?.(found) ?? found) whole.set(part.prefix + name, tensor);
    } else if (part.part !== 'vae' && !part.optional) {
      throw missingPart(file, `a model of ${family.title}`, { ...part, folder: folders.encoder[0] });
    }
  }
  return whole;
}

/** Says which part a file lacks, how people's files of it are called, and where to put one. */
export function missingPart(
  file: string,
  what: string,
  { part, title, example, folder }: Pick<SeparatePart, 'title' | 'example'> & { part: string; folder: string },
): ModelError {
  const here = dirname(file);
  const beside = customary.test(basename(here)) ? `${basename(here)}/` : basename(file);
  return new ModelError(
    `The ${part} is missing: ${basename(file)}, ${what}, lacks ${title}. Put a file with it, such as ${example}, into ${folder}/ beside ${beside}.`,
  );
}

/** The text encoders that the settings name. @throws {ModelError} for a file that holds none of the model's */
async function namedEncoders(
  file: string,
  { title, file: layout }: Family,
  { textEncoderPaths = [] }: ModelSettings,
): Promise<Map<SeparatePart, StoredTensors>> {
  const encoders = (layout?.parts ?? []).filter(({ part }) => part !== 'vae');
  const named = new Map<SeparatePart, StoredTensors>();
  for (const given of textEncoderPaths) {
    const path = resolve(dirname(file), given);
    if (!(await isFile(path))) {
      throw new ModelError(`The text encoder ${basename(path)} named for it is missing: there is no ${path}.`);
    }
    const { tensors } = await readWeightsHeader(path);
    const part = encoders.find(({ recognises }) => recognises(tensors, basename(path)));
    if (!part) {
      const wanted = encoders.map((each) => each.title).join(', ') || 'none beside its file';
      throw new ModelError(`${basename(path)}, which is named for it, has no text encoder of ${title}: ${wanted}.`);
    }
    if (named.has(part)) throw new ModelError(`Two of the files named for it have ${part.title}.`);
    named.set(part, tensors);
  }
  return named;
}

/** What is looked for. */
interface Sought extends Pick<SeparatePart, 'recognises'> {
  /** Beside the folder of the file that needs it. */
  folders: readonly string[];
  prefers?: RegExp | undefined;
}

/** Looks for the parts of one file; reads each header once, however many they are. */
export class Search {
  private readonly file: string;
  private readonly besides: readonly string[];
  private readonly headers = new Map<string, Promise<StoredTensors | undefined>>();

  constructor(file: string, besides: readonly string[]) {
    this.besides = besides;
    this.file = file;
  }

  /** The tensors of the first file that holds it, see `withSeparateParts`. */
  async find(sought: Sought): Promise<StoredTensors | undefined> {
    for (const file of await this.candidates(sought)) {
      const tensors = await this.header(file);
      if (tensors && sought.recognises(tensors, basename(file))) return tensors;
    }
    return undefined;
  }

  private async candidates({ folders: names, prefers }: Sought): Promise<string[]> {
    const here = dirname(this.file);
    const roots = [...modelRoots(this.file), ...this.besides];
    const places = [...roots.flatMap((root) => names.map((name) => join(root, name))), here, ...this.besides];
    const found: string[] = [];
    for (const place of places) {
      const entries: string[] = await readdir(place).catch(() => []);
      const files = entries.filter(isWeightsFile).sort();
      found.push(...files.map((name) => join(place, name)));
    }
    const others = found.filter((file) => file !== this.file);
    const isFirst = (file: string) => prefers === undefined || prefers.test(basename(file));
    return [...others.filter(isFirst), ...others.filter((file) => !isFirst(file))];
  }

  /** Undefined for what cannot be read: it may be a broken file of another model. */
  private header(file: string): Promise<StoredTensors | undefined> {
    const known =
      this.headers.get(file) ??
      readWeightsHeader(file)
        .then(({ tensors }) => tensors)
        .catch(() => undefined);
    this.headers.set(file, known);
    return known;
  }
}
