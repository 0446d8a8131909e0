import type { WeightedModel } from '../../protocol/companions.ts';
import { parameterCode, TaskError } from '../../protocol/errors.ts';
import type { ImageInferenceTask } from '../../protocol/tasks/imageInference.ts';
import type { GenerateRequest, WeightedFile } from '../../runtime/index.ts';
import { type Catalog, type CatalogEntry, isNamed, kindNames } from './catalog.ts';

/** Paths of the models of a task. All are of the right kind and, as far as known, of the right architecture. */
export interface TaskModels {
  main: CatalogEntry;
  loras: WeightedFile[];
  embeddings: WeightedFile[];
  /** Paths, in the order of the task's ControlNets. */
  controlNets: string[];
  /** Paths, in the order of the task's IP-Adapters. */
  ipAdapters: string[];
  vae?: string;
  refiner?: Chosen;
}

/** A model and the parts that `models.json` gives it, as requests name them. */
type Chosen = Pick<GenerateRequest, 'model' | 'parts'>;

export function chosenOf({ path: model, parts }: CatalogEntry): Chosen {
  return { model, ...(parts && { parts }) };
}

/** Finds all models of a task. Throws a TaskError with the parameter at fault and the allowed models. */
export async function findTaskModels(task: ImageInferenceTask, catalog: Catalog): Promise<TaskModels> {
  const main = await catalog.find(task.model);
  const fittingEntry = async (name: string, kind: CatalogEntry['kind'], parameter: string) => {
    const entry = await catalog.find(name, kind, parameter);
    checkFit(entry, main, parameter);
    return entry;
  };
  const fitting = async (...wanted: Parameters<typeof fittingEntry>) => (await fittingEntry(...wanted)).path;
  const weighted = (models: readonly WeightedModel[], kind: 'lora' | 'embedding') =>
    Promise.all(
      models.map(async ({ model, weight, parameter }) => ({
        path: await fitting(model, kind, `${parameter}.model`),
        weight,
      })),
    );
  return {
    main,
    loras: await weighted(task.lora, 'lora'),
    embeddings: await weighted(task.embeddings, 'embedding'),
    controlNets: await Promise.all(
      task.controlNet.map(({ model, parameter }) => fitting(model, 'controlNet', `${parameter}.model`)),
    ),
    ipAdapters: await Promise.all(
      task.ipAdapters.map(({ model, parameter }) => fitting(model, 'ipAdapter', `${parameter}.model`)),
    ),
    ...(await vaeOf(task, main, catalog, fitting)),
    ...(task.refiner && {
      refiner: chosenOf(await fittingEntry(task.refiner.model, 'checkpoint', 'refiner.model')),
    }),
  };
}

/** The VAE of a task, or the default VAE for a model without one. */
async function vaeOf(
  task: ImageInferenceTask,
  main: CatalogEntry,
  catalog: Catalog,
  fitting: (name: string, kind: CatalogEntry['kind'], parameter: string) => Promise<string>,
): Promise<{ vae?: string }> {
  if (task.vae !== undefined) return { vae: await fitting(task.vae, 'vae', 'vae') };
  if (!main.model.lacksVae) return {};
  const entries = await catalog.list();
  const byDefault = defaultVaeOf(main, entries, catalog.defaultVaes);
  if (byDefault?.entry?.model.available) return { vae: byDefault.entry.path };
  const vaes = entries.filter((entry) => entry.kind === 'vae' && entry.model.available && fits(entry, main));
  const allowedValues = vaes.map(({ air }) => air);
  const choice = `Name one in \`vae\`; this server has: ${allowedValues.slice(0, 20).join(', ') || 'none'}.`;
  const details = { parameter: 'vae', type: 'string', allowedValues };
  if (byDefault === undefined) {
    const message = `The model ${main.air} has no autoencoder (VAE). ${choice}`;
    throw new TaskError(parameterCode('missing', 'vae'), { ...details, message });
  }
  const reason = byDefault.entry?.model.reason ?? 'it does not exist';
  throw new TaskError('modelUnavailable', {
    ...details,
    message: `The model ${main.air} has no autoencoder, and the default VAE of this server, ${byDefault.name}, cannot be used: ${reason.replace(/\.$/, '')}. ${choice}`,
  });
}

/**
 * The default VAE for a model: the first configured or known for its architecture, else the first of unknown
 * architecture. `entry` is undefined if that VAE does not exist.
 */
export function defaultVaeOf(
  main: CatalogEntry,
  entries: readonly CatalogEntry[],
  names: readonly string[],
): { name: string; entry: CatalogEntry | undefined } | undefined {
  const own = [main.model.architecture, main.model.family];
  let other: { name: string; entry: CatalogEntry | undefined } | undefined;
  for (const given of names) {
    const [, architecture, name = given] = /^(sd|sd1x|sd2x|sdxl)=(.*)$/.exec(given) ?? [];
    if (architecture !== undefined && !own.some((word) => word === architecture)) continue;
    const entry = entries.find(({ kind, ids }) => kind === 'vae' && isNamed(ids, name));
    if (architecture !== undefined || (entry && architectureOf(entry) === architectureOf(main))) return { name, entry };
    if (!entry || fits(entry, main)) other ??= { name, entry };
  }
  return other;
}

/** A note about a usable model; a sentence. */
export function noteOf(
  main: CatalogEntry,
  entries: readonly CatalogEntry[],
  defaultVaes: readonly string[],
): string | undefined {
  const { available, lacksVae, reason } = main.model;
  if (!available || !lacksVae) return reason;
  const vae = defaultVaeOf(main, entries, defaultVaes)?.entry;
  return vae?.model.available
    ? `It has no autoencoder (VAE). Tasks use ${vae.air} by default.`
    : 'It has no autoencoder (VAE). Tasks must name one in `vae`, or the operator sets --default-vae.';
}

/** Refuses a part of another architecture; unknown architectures pass. */
function checkFit(entry: CatalogEntry, main: CatalogEntry, parameter: string): void {
  if (fits(entry, main)) return;
  const [own, wanted] = [architectureOf(entry), architectureOf(main)];
  throw new TaskError('unsupportedModel', {
    message: `${entry.air} is ${kindNames[entry.kind]} for ${own}, but the model ${main.air} is ${wanted}.`,
    parameter,
    type: 'string',
  });
}

function fits(entry: CatalogEntry, main: CatalogEntry): boolean {
  const [own, wanted] = [architectureOf(entry), architectureOf(main)];
  if (own === undefined || wanted === undefined || own === wanted) return true;
  // Versions 1 and 2 of Stable Diffusion have the same autoencoder.
  return entry.kind === 'vae' && own !== 'sdxl' && wanted !== 'sdxl';
}

function architectureOf({ model }: CatalogEntry): string | undefined {
  return model.architecture === 'unknown' ? undefined : model.architecture;
}

/** The path of the tiny decoder of a model. Throws a TaskError that says how to get one. */
export async function findTinyDecoder(main: CatalogEntry, catalog: Catalog): Promise<string> {
  const found = tinyDecoderOf(main, await catalog.list());
  if (found !== undefined) return found;
  if (main.tinyDecoder !== undefined) return (await catalog.find(main.tinyDecoder, 'tinyVae', 'previews.decoder')).path;
  throw new TaskError('unsupportedParameter', {
    message:
      `The models directory has no tiny decoder for the previews of ${main.air}. Add one ` +
      `(\`npx latentwire models pull madebyollin/${isXL(main) ? 'taesdxl' : 'taesd'}\`), or use the decoder "linear".`,
    parameter: 'previews.decoder',
    type: 'string',
  });
}

/**
 * The path of a model's tiny decoder among `entries`: the configured one, its own, or one of its architecture.
 * Published files do not contain the architecture, but their names do: taesd, taesdxl.
 */
export function tinyDecoderOf(main: CatalogEntry, entries: readonly CatalogEntry[]): string | undefined {
  const decoders = entries.filter(({ kind, model }) => kind === 'tinyVae' && model.available);
  const { tinyDecoder } = main;
  if (tinyDecoder !== undefined) return decoders.find(({ ids }) => isNamed(ids, tinyDecoder))?.path;
  if (main.model.ownTinyDecoder !== undefined) return main.model.ownTinyDecoder;
  const wanted = architectureOf(main);
  const found =
    decoders.find((entry) => wanted !== undefined && architectureOf(entry) === wanted) ??
    decoders.find(
      (entry) =>
        architectureOf(entry) === undefined &&
        sameLatents(entry, main) &&
        entry.ids.some((id) => /xl/i.test(id)) === isXL(main),
    );
  return found?.path;
}

function isXL(main: CatalogEntry): boolean {
  return architectureOf(main) === 'sdxl' || main.model.family === 'sdxl';
}

function sameLatents(one: CatalogEntry, other: CatalogEntry): boolean {
  const [a, b] = [one.model.latentChannels, other.model.latentChannels];
  return a === undefined || b === undefined || a === b;
}
