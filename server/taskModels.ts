import type { WeightedModel } from '../protocol/companions.ts';
import { TaskError } from '../protocol/errors.ts';
import type { ImageInferenceTask } from '../protocol/tasks/imageInference.ts';
import type { WeightedFile } from '../runtime/index.ts';
import { type Catalog, type CatalogEntry, isNamed, kindNames } from './catalog.ts';

/** Where the runtime finds what a task names. All are of the right kind, and made for the model as far as that is known. */
export interface TaskModels {
  main: CatalogEntry;
  loras: WeightedFile[];
  embeddings: WeightedFile[];
  /** Paths, in the order of the task's ControlNets. */
  controlNets: string[];
  vae?: string;
  refiner?: string;
}

/** Finds all models of a task. Throws a TaskError that says which parameter names the wrong one, and what would do. */
export async function findTaskModels(task: ImageInferenceTask, catalog: Catalog): Promise<TaskModels> {
  const main = await catalog.find(task.model);
  const fitting = async (name: string, kind: CatalogEntry['kind'], parameter: string) => {
    const entry = await catalog.find(name, kind, parameter);
    checkFit(entry, main, parameter);
    return entry.path;
  };
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
    ...(task.vae !== undefined && { vae: await fitting(task.vae, 'vae', 'vae') }),
    ...(task.refiner && { refiner: await fitting(task.refiner.model, 'checkpoint', 'refiner.model') }),
  };
}

/** Refuses what was made for another architecture; nothing is refused where one of both is unknown. */
function checkFit(entry: CatalogEntry, main: CatalogEntry, parameter: string): void {
  const [own, wanted] = [architectureOf(entry), architectureOf(main)];
  if (own === undefined || wanted === undefined || own === wanted) return;
  // The autoencoder did not change from the first version of Stable Diffusion to the second.
  if (entry.kind === 'vae' && own !== 'sdxl' && wanted !== 'sdxl') return;
  throw new TaskError('unsupportedModel', {
    message: `${entry.air} is ${kindNames[entry.kind]} for ${own}, but the model ${main.air} is ${wanted}.`,
    parameter,
    type: 'string',
  });
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
