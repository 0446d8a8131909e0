/** The protocol: what both ends agree on. PROTOCOL.md is the text, this is the list of public names. */

export {
  type ControlNet,
  MAX_CONTROL_NETS,
  MAX_WEIGHTED_MODELS,
  type Refiner,
  type WeightedModel,
} from './companions.ts';
export type { Delivery, OutputType } from './delivery.ts';
export {
  type ErrorCode,
  type ErrorDetails,
  type ErrorFrame,
  errors,
  type HttpFailure,
  type ListedErrorCode,
  parameterCode,
  rowOf,
  TaskError,
  toErrorFrame,
  toHttpFailure,
  type WireError,
} from './errors.ts';
export type {
  CancelledEvent,
  ImageFormat,
  LoadingEvent,
  PreviewedEvent,
  QueuedEvent,
  StartedEvent,
  SteppedEvent,
  TaskEvent,
} from './events.ts';
export { decodeFrame, encodeFrame, FrameError, MAX_HEADER_BYTES } from './frames.ts';
export { type ImageReference, parseImageReference } from './images.ts';
export type { Outpaint } from './inpainting.ts';
export { parseJson, stringifyJson } from './json.ts';
export type { PreviewOptions } from './previews.ts';
export {
  type AccountResult,
  type AuthenticationResult,
  type CheckpointItem,
  type DataFrame,
  dataFrame,
  type EventFrame,
  eventFrame,
  type ImageResult,
  type ImageUploadResult,
  type MayWarn,
  type MediaStorageResult,
  type ModelItem,
  type ModelSearchResult,
  mimeType,
  type PartItem,
  type PingResult,
  type ProcessingResult,
  type ResultItem,
  type ServerFrame,
  type TaskCancelResult,
  type TaskDetailsResult,
  type UpscaleResult,
  type UsageFigures,
  type Warning,
} from './replies.ts';
export { errorSchema, eventSchema, httpReplySchema, resultSchema, serverFrameSchema } from './replySchemas.ts';
export { type StepChoice, stepRange } from './steps.ts';
export type { AccountManagementTask, AccountOperation } from './tasks/accountManagement.ts';
export type { AuthenticationTask } from './tasks/authentication.ts';
export type { GetResponseTask } from './tasks/getResponse.ts';
export type { GetTaskDetailsTask } from './tasks/getTaskDetails.ts';
export { BLANK_PROMPT, type ImageInferenceTask, MAX_SEED } from './tasks/imageInference.ts';
export type { ImageUploadTask } from './tasks/imageUpload.ts';
export { MAX_TASKS_PER_REQUEST, parseRequest, parseTask, type Task, type TaskType, tasks } from './tasks/index.ts';
export type { MediaStorageTask } from './tasks/mediaStorage.ts';
export type { ModelSearchTask } from './tasks/modelSearch.ts';
export type { PingTask } from './tasks/ping.ts';
export type { TaskCancelTask } from './tasks/taskCancel.ts';
export type { UpscaleTask } from './tasks/upscale.ts';
