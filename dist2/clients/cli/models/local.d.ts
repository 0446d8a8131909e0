import { type CatalogEntry } from '../../../server/catalog.ts';
/** The models of this machine, as a server started here would find them. */
export interface Local {
  /** Where models are added: the first of the models folders. Absolute. */
  modelsDir: string;
  /** All models folders but that of the program itself. */
  modelsDirs: readonly string[];
  /** VAEs for models that hold none, as the options name them. */
  defaultVaes: readonly string[];
  /** Looks at the folders anew. */
  list(): Promise<readonly CatalogEntry[]>;
}
export declare function openLocal(choice: { 'models-dir'?: string | undefined }): Local;
/** The model that a name means; upper and lower case are the same. */
export declare function findEntry(entries: readonly CatalogEntry[], name: string): CatalogEntry | undefined;
