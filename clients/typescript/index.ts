/** The TypeScript client of Latentwire, for browsers and Node, without a bundler. */

export { type Client, type ConnectOptions, connect, type UploadedImage } from './client.ts';
export type { ConnectionStatus, ReconnectOptions, WebSocketConstructor, WebSocketLike } from './connection.ts';
export { type ClientErrorCode, LatentwireError } from './errors.ts';
export type { Generation, GenerationEvent, ImageResult, Preview, TaskResult, UpscaleResult } from './generation.ts';
export type { ImageInput } from './images.ts';
export type { ModelCategory, ModelInfo, ModelOf, ModelQuery, PartInfo, UpscalerInfo } from './models.ts';
export type {
  AcceleratorOptions,
  ControlNetInput,
  ImageTask,
  IpAdapterInput,
  OutpaintInput,
  PreviewOptions,
  RefinerInput,
  ResultTask,
  UpscaleTask,
  Weighted,
} from './task.ts';
