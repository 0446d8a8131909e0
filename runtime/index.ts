/** The public interface of the runtime: the parent's side and file reading. No native code is imported here. */
export { describeModel, emptyDescription, type ModelDescription } from './checkpoints/describe.ts';
export { checkDevices, deviceText, parseDevice, providerNames } from './devices.ts';
export { RuntimeError, type RuntimeErrorCode } from './errors.ts';
export { foreignKind } from './files/foreign.ts';
export { isWeightsFile, weightsStem } from './files/names.ts';
export type {
  Calls,
  ControlNetRequest,
  DeepCacheRequest,
  FirstBlockCacheRequest,
  GenerateRequest,
  ImagePromptRequest,
  LogLevel,
  ModelParts,
  Pixels,
  PreviewRequest,
  RunEvent,
  RunRequest,
  Stage,
  Timings,
  UpscaleRequest,
  WeightedFile,
} from './messages.ts';
export { LANCZOS } from './messages.ts';
export { countRows, type ModelTraits, type RowCounts } from './pipelines/calls.ts';
export { macsOf } from './pipelines/tiles.ts';
export { type Describer, type DescriberOptions, startDescriber } from './process/describer.ts';
export { type Examination, examine } from './process/examination.ts';
export { startRuntime } from './process/pool.ts';
export type { Runtime, RuntimeOptions, RuntimeStatus } from './process/runtime.ts';
export { noSuchScheduler, resolveScheduler, schedulerSpellings } from './schedulers/index.ts';
