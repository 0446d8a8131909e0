import type { ImageInferenceTask } from '../protocol/tasks/imageInference.ts';
import type { WeightedFile } from '../runtime/index.ts';
import { type Catalog, type CatalogEntry } from './catalog.ts';
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
export declare function findTaskModels(task: ImageInferenceTask, catalog: Catalog): Promise<TaskModels>;
/**
 * The VAE that the operator chose for models like this one: the first that is said to be, or is, of its architecture,
 * else the first of none. `entry` is undefined where there is no such VAE.
 */
export declare function defaultVaeOf(
  main: CatalogEntry,
  entries: readonly CatalogEntry[],
  names: readonly string[],
):
  | {
      name: string;
      entry: CatalogEntry | undefined;
    }
  | undefined;
/** What its owner should know of a model that can be used; a sentence. */
export declare function noteOf(
  main: CatalogEntry,
  entries: readonly CatalogEntry[],
  defaultVaes: readonly string[],
): string | undefined;
/** The path of the tiny decoder for the previews of a model. Throws a TaskError that says how to get one. */
export declare function findTinyDecoder(main: CatalogEntry, catalog: Catalog): Promise<string>;
/**
 * The path of a model's tiny decoder among `entries`: the one its owner named, the one it brings itself, or one of its
 * architecture. The files of the published ones do not say which that is, but their names do: taesd, taesdxl.
 */
export declare function tinyDecoderOf(main: CatalogEntry, entries: readonly CatalogEntry[]): string | undefined;
