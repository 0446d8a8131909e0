import type { WeightedModel } from '../protocol/companions.ts';
import { parameterCode, TaskError } from '../protocol/errors.ts';
import type { ImageInferenceTask } from '../protocol/tasks/imageInference.ts';
import type { GenerateRequest, WeightedFile } from '../runtime/index.ts';
import { type Catalog, type CatalogEntry, isNamed, kindNames } from './catalog.ts';

/** Where the runtime finds what a task names. All are of the right kind, and made for the model as far as that is known. */
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

/** Finds all models of a task. Throws a TaskError that says which parameter names the wrong one, and what would do. */
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

/** The VAE that a task names, or the server's own for a model that holds none. */
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
    const message = `The model ${main.air} holds no autoencoder (VAE). ${choice}`;
    throw new TaskError(parameterCode('missing', 'vae'), { ...details, message });
  }
  const reason = byDefault.entry?.model.reason ?? 'it is not there';
  throw new TaskError('modelUnavailable', {
    ...details,
    message: `The model ${main.air} holds no autoencoder, and the one of this server, ${byDefault.name}, cannot be used: ${reason.replace(/\.$/, '')}. ${choice}`,
  });
}

/**
 * The VAE that the operator chose for models like this one: the first that is said to be, or is, of its architecture,
 * else the first of none. `entry` is undefined where there is no such VAE.
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

/** What its owner should know of a model that can be used; a sentence. */
export function noteOf(
  main: CatalogEntry,
  entries: readonly CatalogEntry[],
  defaultVaes: readonly string[],
): string | undefined {
  const { available, lacksVae, reason } = main.model;
  if (!available || !lacksVae) return reason;
  const vae = defaultVaeOf(main, entries, defaultVaes)?.entry;
  return vae?.model.available
    ? `It holds no autoencoder (VAE); tasks that name none use ${vae.air}.`
    : 'It holds no autoencoder (VAE), so tasks have to name one in `vae`, or the server gets one with --default-vae.';
}

/** Refuses what was made for another architecture; nothing is refused where one of both is unknown. */
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
  // The autoencoder did not change from the first version of Stable Diffusion to the second.
  return entry.kind === 'vae' && own !== 'sdxl' && wanted !== 'sdxl';
}

function architectureOf({ model }: CatalogEntry): string | undefined {
  return model.architecture === 'unknown' ? undefined : model.architecture;
}

/** The path of the tiny decoder for the previews of a model. Throws a TaskError that says how to get one. */
export async function findTinyDecoder(main: CatalogEntry, catalog: Catalog): Promise<string> {
  const found = tinyDecoderOf(main, await catalog.list());
  if (found !== undefined) return found;
  if (main.tinyDecoder !== undefined) return (await catalog.find(main.tinyDecoder, 'tinyVae', 'previews.decoder')).path;
  throw new TaskError('unsupportedParameter', {
    message:
      `There is no tiny decoder for the previews of ${main.air}. Put one into the models directory ` +
      `(\`npx latentwire models pull madebyollin/${isXL(main) ? 'taesdxl' : 'taesd'}\`), or ask for the decoder "linear".`,
    parameter: 'previews.decoder',
    type: 'string',
  });
}

/**
 * The path of a model's tiny decoder among `entries`: the one its owner named, the one it brings itself, or one of its
 * architecture. The files of the published ones do not say which that is, but their names do: taesd, taesdxl.
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
