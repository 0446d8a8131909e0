import { startRuntime } from '../../runtime/index.ts';
import { createFakeRuntime } from '../helpers/fakeRuntime.ts';
import { modelFolder, modelsFolder } from '../helpers/goldens.ts';
import { runtimeSuite } from './runtimeSuite.ts';

const model = modelFolder('tiny-sd15');
// A folder that holds no model.
const brokenModel = modelsFolder;

runtimeSuite('the fake runtime', {
  start: () => createFakeRuntime({ brokenModels: [brokenModel] }),
  model,
  brokenModel,
});

runtimeSuite('the real runtime', {
  start: () => startRuntime({ provider: 'cpu', threads: 1, log: () => {} }),
  model,
  brokenModel,
});

runtimeSuite('two devices behind one runtime', {
  start: () => startRuntime({ provider: ['cpu', 'cpu'], threads: 1, log: () => {} }),
  model,
  brokenModel,
  severalDevices: true,
});
