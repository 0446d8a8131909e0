import path from 'node:path';
import { describeModel } from '../../../runtime/index.js';
import { Catalog } from '../../../server/catalog.js';
import { systemClock } from '../../../server/clock.js';
import { loadConfig } from '../../../server/config.js';
import { createLog } from '../../../server/log.js';
import { packageRoot } from '../../../server/packageRoot.js';
export function openLocal(choice) {
  const chosen = choice['models-dir'];
  // No server is opened here, so what it would say about keys does not matter.
  const argv = ['--allow-open', ...(chosen === undefined ? [] : ['--models-dir', chosen])];
  const { modelsDir, defaultModel, defaultVae } = loadConfig(argv, process.env);
  return {
    modelsDir: modelsDir[0],
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
/** The model that a name means; upper and lower case are the same. */
export function findEntry(entries, name) {
  return entries.find(({ ids }) => ids.some((id) => id.toLowerCase() === name.toLowerCase()));
}
//# sourceMappingURL=local.js.map
