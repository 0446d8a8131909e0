/** The TypeScript client of Latentwire: one file of a browser's module graph or of Node's, without a bundler. */

export {
  type Client,
  type ConnectOptions,
  type ControlNetInput,
  connect,
  type ImageTask,
  type ModelInfo,
  type PreviewOptions,
  type UploadedImage,
  type Weighted,
} from './client.ts';
export type { ConnectionStatus, ReconnectOptions, WebSocketConstructor, WebSocketLike } from './connection.ts';
export { type ClientErrorCode, LatentwireError } from './errors.ts';
export type { Generation, GenerationEvent, ImageResult, Preview } from './generation.ts';
export type { ImageInput } from './images.ts';
