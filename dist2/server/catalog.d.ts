import type { Logger } from 'pino';
import type { ModelDescription } from '../runtime/index.ts';
import type { Clock } from './clock.ts';
export type ModelKind = ModelDescription['kind'];
/** A model under the name that clients give. */
export interface CatalogEntry {
  /** The first of its ids: from `models.json`, or `local:<name>@1`. */
  air: string;
  /** All spellings that mean this model. */
  ids: string[];
  /** Absolute path of its folder or file. */
  path: string;
  kind: ModelKind;
  model: ModelDescription;
  /** The name of the tiny decoder that its owner chose for it. */
  tinyDecoder?: string;
}
export interface CatalogOptions {
  /** Folders that hold models, as `ModelsFolder` says. One that does not exist is empty. */
  modelsDirs: readonly string[];
  defaultModel: string;
  /** Names of VAEs for models that hold none, some after an architecture and `=`; default none. */
  defaultVaes?: readonly string[];
  /** Reads what a folder or a file is. */
  describe: (path: string) => Promise<ModelDescription>;
  log: Logger;
  clock: Clock;
}
/** What messages call each kind. */
export declare const kindNames: Record<ModelKind, string>;
/** What clients can name: models, and what is used together with them. */
export declare class Catalog {
  #private;
  constructor(options: CatalogOptions);
  get defaultVaes(): readonly string[];
  /** Everything, the unavailable too: the default model first, the others in the order of folders and names. */
  list(): Promise<readonly CatalogEntry[]>;
  /**
   * What a task names, or the default model. `parameter` is where it names it. A model that is known is given at once, and
   * every few seconds the folders are looked at for the next task; this one waits only where it would be refused.
   *
   * Throws `modelNotFound`, `modelUnavailable`, or, for something of another kind, `unsupportedModel`.
   */
  find(name: string | undefined, kind?: ModelKind, parameter?: string): Promise<CatalogEntry>;
}
/** Names are told apart without regard to case. */
export declare function isNamed(ids: readonly string[], wanted: string): boolean;
