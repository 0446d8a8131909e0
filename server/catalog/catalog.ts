import path from 'node:path';
import type { Logger } from 'pino';
import { TaskError } from '../../protocol/errors.ts';
import type { ModelDescription, ModelParts } from '../../runtime/index.ts';
import type { Clock } from '../clock.ts';
import { customaryFolders, type FoundModel, ModelsFolder, partFolders } from './modelsFolder.ts';

export type ModelKind = ModelDescription['kind'];

/** A model with its names. */
export interface CatalogEntry {
  /** Its main id: from `models.json`, or `local:<name>@1`. */
  air: string;
  /** All ids of this model. */
  ids: string[];
  /** Absolute path of its folder or file. */
  path: string;
  kind: ModelKind;
  model: ModelDescription;
  /** The text encoders and the autoencoder that `models.json` gives it. */
  parts?: ModelParts;
  /** Name of the tiny decoder in its settings. */
  tinyDecoder?: string;
}

/** A description, its time, and the state of the files at that time. */
interface Described {
  stamp: string;
  /** Duration in milliseconds. */
  tookMs: number;
  /** Milliseconds since the epoch. */
  at: number;
  model: ModelDescription;
}

export interface CatalogOptions {
  /** Models folders, see `ModelsFolder`. A missing folder is empty. */
  modelsDirs: readonly string[];
  defaultModel: string;
  /** Names of VAEs for models without one, some after an architecture and `=`; default none. */
  defaultVaes?: readonly string[];
  /** Describes a folder or file. */
  describe: (path: string, parts?: ModelParts) => Promise<ModelDescription>;
  log: Logger;
  clock: Clock;
}

/** How long a scan of the folders is valid, in milliseconds; a new model is found after that. */
const freshMs = 2_000;

/** The same for a task that names a known model: a scan takes processor time from its picture. */
const knownFreshMs = 10_000;

/** How long a description of an unusable model is valid: a missing part may appear elsewhere. */
const brokenFreshMs = 10_000;

/** And at least this multiple of the time it took, so that slow failures are not repeated at once. */
const brokenPatience = 60;

/** Number of models in a message; `allowedValues` has all. */
const namedAtMost = 20;

/** Names of the kinds in messages. */
export const kindNames: Record<ModelKind, string> = {
  checkpoint: 'a checkpoint',
  lora: 'a LoRA',
  embedding: 'an embedding',
  controlNet: 'a ControlNet',
  vae: 'a VAE',
  tinyVae: 'a tiny decoder',
  textEncoder: 'a text encoder',
  imageEncoder: 'an image encoder',
  ipAdapter: 'an IP-Adapter',
  upscaler: 'an upscaler',
};

/** The models and parts that clients can name. */
export class Catalog {
  readonly #options: CatalogOptions;
  readonly #folders: ModelsFolder[];
  #entries: CatalogEntry[] = [];
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;
  /** Descriptions by path, so that hundreds of files are not read at each scan. */
  #described = new Map<string, Described>();
  /** Paths whose names were taken; each is logged once. */
  readonly #told = new Set<string>();

  constructor(options: CatalogOptions) {
    this.#options = options;
    this.#folders = options.modelsDirs.map((folder) => new ModelsFolder(folder, options.log));
  }

  get defaultVaes(): readonly string[] {
    return this.#options.defaultVaes ?? [];
  }

  /** All entries, also unavailable ones: the default model first, the others in the order of folders and names. */
  async list(): Promise<readonly CatalogEntry[]> {
    await this.#refreshed();
    return this.#entries;
  }

  /**
   * The model of a task, or the default model. `parameter` is the parameter that names it. A known model is returned at
   * once, and the folders are scanned every few seconds for the next task. An unknown model waits for a scan.
   *
   * Throws `modelNotFound`, `modelUnavailable`, or, for another kind, `unsupportedModel`.
   *
   * @param fileless - models of the kind without a file, which the errors list too
   */
  async find(
    name: string | undefined,
    kind: ModelKind = 'checkpoint',
    parameter = 'model',
    fileless: readonly string[] = [],
  ): Promise<CatalogEntry> {
    const wanted = name ?? this.#options.defaultModel;
    const known = this.#entries.find(({ ids }) => isNamed(ids, wanted));
    if (known?.kind === kind && known.model.available) {
      this.#refreshed(knownFreshMs).catch((error: unknown) =>
        this.#options.log.error({ err: error }, 'The models directory cannot be read.'),
      );
      return known;
    }
    await this.#refreshed();
    const entries = this.#entries;
    const entry = entries.find(({ ids }) => isNamed(ids, wanted));
    if (entry?.model.available === false) {
      throw new TaskError('modelUnavailable', {
        message: `The model ${entry.air} cannot be used: ${entry.model.reason ?? 'it is broken'}`,
        parameter,
      });
    }
    if (entry?.kind !== kind) {
      const files = entries.filter((one) => one.kind === kind && one.model.available).map(({ air }) => air);
      const allowedValues = [...files, ...fileless];
      const more = allowedValues.length > namedAtMost ? ', …' : '';
      const choice = `This server has: ${allowedValues.slice(0, namedAtMost).join(', ') || 'none'}${more}.`;
      const details = { parameter, type: 'string', allowedValues };
      throw entry === undefined
        ? new TaskError('modelNotFound', { ...details, message: `There is no model ${wanted}. ${choice}` })
        : new TaskError('unsupportedModel', {
            ...details,
            message: `\`${parameter}\` must name ${kindNames[kind]}, but ${entry.air} is ${kindNames[entry.kind]}. ${choice}`,
          });
    }
    return entry;
  }

  /** Settles at once if the last scan is still valid. */
  async #refreshed(ms = freshMs): Promise<void> {
    if (this.#options.clock.now() - this.#lookedAt <= ms) return;
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    await this.#looking;
  }

  async #look(): Promise<void> {
    const entries: CatalogEntry[] = [];
    const described = new Map<string, Described>();
    const taken = new Map<string, string>();
    for (const folder of this.#folders) {
      for (const found of await folder.look()) {
        const known = await this.#describe(found);
        described.set(keyOf(found), known);
        const ids = this.#untaken(found, taken);
        const [air] = ids;
        if (air === undefined) continue;
        const { model } = known;
        // Tasks do not name it: models find it by its content.
        if (model.available && partFolders[model.kind] !== undefined) continue;
        const tinyDecoder = found.tinyDecoder ?? model.tinyDecoder;
        const kind = kindOf(found, model);
        const { path, parts } = found;
        const chosen = { ...(parts && { parts }), ...(tinyDecoder !== undefined && { tinyDecoder }) };
        entries.push({ air, ids, path, kind, model, ...chosen });
      }
    }
    const isDefault = ({ ids }: CatalogEntry) => Number(isNamed(ids, this.#options.defaultModel));
    this.#entries = entries.sort((a, b) => isDefault(b) - isDefault(a));
    this.#described = described;
    this.#lookedAt = this.#options.clock.now();
  }

  /** The ids that are still free; none if all are taken. */
  #untaken(found: FoundModel, taken: Map<string, string>): string[] {
    const all = idsOf(found);
    const ids = all.filter((id) => !taken.has(id.toLowerCase()));
    const lost = all.find((id) => taken.has(id.toLowerCase()));
    if (lost !== undefined && !this.#told.has(found.path)) {
      this.#told.add(found.path);
      const owner = taken.get(lost.toLowerCase());
      this.#options.log.warn(
        { id: lost, path: found.path, owner },
        'Two models have the same name. The first one keeps it.',
      );
    }
    for (const id of ids) taken.set(id.toLowerCase(), found.path);
    return ids;
  }

  async #describe(found: FoundModel): Promise<Described> {
    const { path: file, stamp, parts, fault } = found;
    const known = this.#described.get(keyOf(found));
    const now = this.#options.clock.now();
    if (known?.stamp === stamp) {
      const freshMs = Math.max(brokenFreshMs, known.tookMs * brokenPatience);
      if (known.model.available || now - known.at < freshMs) return known;
    }
    const model = await this.#options.describe(file, parts);
    if (fault !== undefined) Object.assign(model, { available: false, reason: fault });
    return { stamp, at: now, tookMs: this.#options.clock.now() - now, model };
  }
}

function keyOf({ path: file, parts }: FoundModel): string {
  return JSON.stringify([file, parts]);
}

/** An unreadable model has the kind of its folder. */
function kindOf({ place }: FoundModel, { kind, available }: ModelDescription): ModelKind {
  if (available || kind !== 'checkpoint') return kind;
  const folder = path.posix.dirname(place).toLowerCase();
  return Object.hasOwn(customaryFolders, folder) ? customaryFolders[folder]! : kind;
}

/** `models.json` first, then the name, then the path: two files of one name in two subfolders stay distinguishable. */
function idsOf({ place, names, isVariant }: FoundModel): string[] {
  if (isVariant) return names;
  const base = path.posix.basename(place);
  const name = base.replace(/\.(safetensors|ckpt|pt|pth|bin|gguf)$/i, '');
  return [...new Set([...names, `local:${name}@1`, name, `local:${place}@1`, place])];
}

/** Names ignore case. */
export function isNamed(ids: readonly string[], wanted: string): boolean {
  return ids.some((id) => id.toLowerCase() === wanted.toLowerCase());
}
