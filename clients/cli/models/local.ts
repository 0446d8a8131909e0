import path from 'node:path';
import { describeModel } from '../../../runtime/index.ts';
import { Catalog, type CatalogEntry } from '../../../server/catalog/catalog.ts';
import { systemClock } from '../../../server/clock.ts';
import { loadConfig } from '../../../server/config/config.ts';
import { createLog } from '../../../server/log.ts';
import { packageRoot } from '../../../server/packageRoot.ts';

/** The models of this machine, as a server here would find them. */
export interface Local {
  /** Folder for new models: the first of the models folders. Absolute. */
  modelsDir: string;
  /** All models folders except that of the program. */
  modelsDirs: readonly string[];
  /** VAEs for models without one, from the options. */
  defaultVaes: readonly string[];
  /** Reads the folders again. */
  list(): Promise<readonly CatalogEntry[]>;
}

export function openLocal(choice: { 'models-dir'?: string | undefined }): Local {
  const chosen = choice['models-dir'];
  // No server starts here, so the check of keys does not matter.
  const argv = ['--allow-open', ...(chosen === undefined ? [] : ['--models-dir', chosen])];
  const { modelsDir, defaultModel, defaultVae } = loadConfig(argv, process.env);
  return {
    modelsDir: modelsDir[0]!,
    modelsDirs: modelsDir,
    defaultVaes: defaultVae,
    list: () =>
      new Catalog({
        modelsDirs: [path.join(packageRoot, 'models'), ...modelsDir],
        defaultModel,
        defaultVaes: defaultVae,
        describe: describeModel,
        log: createLog('error'),
        clock: systemClock,
      }).list(),
  };
}

/** The model with a name, in any case. */
export function findEntry(entries: readonly CatalogEntry[], name: string): CatalogEntry | undefined {
  return entries.find(({ ids }) => ids.some((id) => id.toLowerCase() === name.toLowerCase()));
}
