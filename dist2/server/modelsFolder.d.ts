import type { Logger } from 'pino';
import type { ModelDescription } from '../runtime/index.ts';
/** Something in a models folder that is a model by its looks. */
export interface FoundModel {
  /** Absolute path of a folder or a file. */
  path: string;
  /** Below the models folder, with slashes. */
  place: string;
  /** Names, sizes and times of its files; another one means another model. */
  stamp: string;
  /** What `models.json` calls it, the AIR first. */
  names: string[];
  /** The tiny decoder that `models.json` gives it. */
  tinyDecoder?: string;
}
/** What other tools call the folders of each kind; looked into where they are no model themselves. */
export declare const customaryFolders: Record<string, ModelDescription['kind']>;
/**
 * One models folder. Models are its subfolders with a `model_index.json`, or with a `config.json` that names a class,
 * and its files; one level deeper, those in folders that are customary. `models.json` gives them ids:
 * `{ "civitai:4384@128713": "dreamshaper", "runware:100@1": { "file": "loras/pixel.safetensors", "aliases": ["pixel"] } }`.
 */
export declare class ModelsFolder {
  #private;
  constructor(folder: string, log: Logger);
  /** Everything found, in the order of names, a customary folder's content at its place. Nothing where there is no folder. */
  look(): Promise<FoundModel[]>;
}
