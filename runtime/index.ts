/** The runtime as others see it: the parent's handle and pure file reading. Nothing native is reachable from here. */
export { RuntimeError, type RuntimeErrorCode } from './errors.ts';
export type {
  GenerateRequest,
  LogLevel,
  Pixels,
  PreviewRequest,
  RunEvent,
  Stage,
  Timings,
} from './messages.ts';
export type { Runtime, RuntimeOptions, RuntimeStatus } from './process/supervisor.ts';
