/** The runtime as others see it: the parent's handle and pure file reading. Nothing native is reachable from here. */
export { describeModel } from './checkpoints/describe.js';
export { checkDevices, deviceText, parseDevice, providerNames } from './devices.js';
export { RuntimeError } from './errors.js';
export { foreignKind } from './files/foreign.js';
export { countRows } from './pipelines/calls.js';
export { startDescriber } from './process/describer.js';
export { examine } from './process/examination.js';
export { startRuntime } from './process/pool.js';
export { noSuchScheduler, resolveScheduler, schedulerSpellings } from './schedulers/index.js';
//# sourceMappingURL=index.js.map
