/**
 * What a server sends, as types and as the few functions that build frames. Every rule of these functions is a client
 * that breaks without it. Browsers import this file: no zod, no node modules.
 */

import type { ErrorFrame, WireError } from './errors.ts';
import type { ImageFormat, LoadingEvent, PreviewedEvent, TaskEvent } from './events.ts';

/** Keys that no item of `data` may have: the older Python client takes such an item for an error. */
interface NotAnError {
  code?: never;
  error?: never;
  errorId?: never;
}

/** One of `warnings`, beside the results of a task. */
export interface Warning {
  /** A key that this server does not know, or one that it knows and that makes no difference here. */
  code: 'unknownParameter' | 'ignoredParameter';
  message: string;
  /** With its place in nested objects and arrays: `lora[0].wieght`. */
  parameter: string;
}

/** What answers may say of the task they belong to. */
export interface MayWarn {
  /** What the task says that has no effect. */
  warnings?: Warning[];
}

/** The connection is authenticated. */
export interface AuthenticationResult extends NotAnError, MayWarn {
  taskType: 'authentication';
  /** Names the session; sent with the next authentication, it resumes it. Never empty. */
  connectionSessionUUID: string;
}

/** The answer to a ping. */
export interface PingResult extends NotAnError {
  taskType: 'ping';
  pong: true;
}

/** An image was stored. */
export interface ImageUploadResult extends NotAnError, MayWarn {
  taskType: string;
  taskUUID: string;
  imageUUID: string;
  imageURL: string;
}

/** An image was stored or deleted, in the newer words. */
export interface MediaStorageResult extends NotAnError, MayWarn {
  taskType: string;
  taskUUID: string;
  operation: 'upload' | 'delete';
  mediaUUID: string;
  /** Absent after a deletion. */
  mediaURL?: string;
}

/** What all finished images have. */
interface AnyImageResult extends NotAnError, MayWarn {
  taskType: string;
  taskUUID: string;
  status: 'success';
  imageUUID: string;
  /** Always, whatever `outputType` asked for: the newer Python client never completes without it. */
  imageURL: string;
  imageBase64Data?: string;
  imageDataURI?: string;
  /** Which of the task's results, from 0. */
  resultIndex: number;
  /** US dollars, where `includeCost` asked for it. */
  cost?: number;
}

/** One image of a prompt. */
export interface ImageResult extends AnyImageResult {
  /** The seed of this very image; asking for it with the same parameters makes the same picture. */
  seed: number | bigint;
}

/** One enlarged picture. */
export interface UpscaleResult extends AnyImageResult {
  /** The picture of the task; the server stores one that came otherwise than by UUID. */
  inputImageUUID: string;
}

/** A task that is not finished: the acknowledgement of an asynchronous task, and getResponse's answer until the end. */
export interface ProcessingResult extends NotAnError, MayWarn {
  taskType: string;
  taskUUID: string;
  status: 'processing';
  /** 0 to 100, over all results of the task. */
  progress?: number;
  /** While weights are read from disk: what is read, and percent of all that is to be read. */
  loading?: Pick<LoadingEvent, 'component' | 'progress'>;
  /** The newest preview, where the task asked for previews. */
  preview?: Omit<PreviewedEvent, 'event' | 'taskType' | 'taskUUID'>;
}

/** Tasks were stopped. */
export interface TaskCancelResult extends NotAnError, MayWarn {
  taskType: string;
  taskUUID: string;
  /** Those stopped by this task. The rest of what was asked for had already ended, or was never known. */
  cancelled: string[];
}

/** What all models have, in Runware's words, and what only a server at home can say. */
interface AnyModelItem extends NotAnError {
  air: string;
  name: string;
  version: string;
  /** The family, such as `sd1x` or `sdxl`; a LoRA, an embedding or a ControlNet fits checkpoints of its own. */
  architecture: string;
  type: string;
  tags: string[];
  heroImage?: string;
  private: boolean;
  comment: string;
  /** Whether it can be used now. */
  available: boolean;
  /** Why not. */
  reason?: string;
  /** Of the weights: `float32`, `float16`, `bfloat16`, `mixed`. */
  precision?: string;
  sizeBytes?: number;
}

/** A model that makes images: what `model` and `refiner` name. */
export interface CheckpointItem extends AnyModelItem {
  category: 'checkpoint';
  defaultWidth: number;
  defaultHeight: number;
  defaultSteps: number;
  defaultScheduler: string;
  defaultCFG: number;
  /** Of image-to-image. */
  defaultStrength: number;
  /** Width and height are multiples of it. */
  sizeMultiple: number;
  /** The parameter that makes a negative prompt count; `none`: it never does. */
  guidance: 'CFGScale' | 'trueCFGScale' | 'none';
  /** Most reference images that a task may name; 0: none. */
  referenceImages: number;
  /** Every spelling that `scheduler` accepts for this model. */
  schedulers?: string[];
  /** What `previews.decoder` accepts for this model. */
  previewDecoders?: string[];
}

/** What is used beside a checkpoint. */
export interface PartItem extends AnyModelItem {
  /** Tells the parameter that takes it: `lora`, `embeddings`, `controlNet`, `vae`. */
  category: 'lora' | 'embeddings' | 'controlnet' | 'vae' | 'ipadapter';
}

/** What the task `upscale` takes as its `model`. */
export interface UpscalerItem extends AnyModelItem {
  category: 'upscaler';
  /** How many times as wide and high its network makes a picture; other factors are interpolated. Interpolation alone: 1. */
  scale: number;
}

/** One model, told apart by `category`. */
export type ModelItem = CheckpointItem | PartItem | UpscalerItem;

/** Models found. */
export interface ModelSearchResult extends NotAnError, MayWarn {
  taskType: string;
  taskUUID: string;
  results: ModelItem[];
  /** How many there are beyond `limit` and `offset`. */
  totalResults: number;
}

/** What a task asked for and how it was answered. */
export interface TaskDetailsResult extends NotAnError, MayWarn {
  taskType: string;
  taskUUID: string;
  /** Of this question; official clients wait for it. */
  status: 'success';
  /** The task, without prompts and images. */
  request: [Record<string, unknown>];
  /** Its results without base64, its error, or both; empty while there is neither. */
  response: { data?: (ImageResult | UpscaleResult)[]; errors?: [WireError] };
}

/** Figures about tasks; which ones depends on the operation. */
export interface UsageFigures {
  /** Tasks that ended. */
  count: number;
  spend?: number;
  clientErrors?: number;
  serverErrors?: number;
  /** Milliseconds that the models worked for a finished task. */
  avgInferenceTime?: number;
  p50InferenceTime?: number;
  p90InferenceTime?: number;
  p99InferenceTime?: number;
}

/** The account of the caller's key. */
export interface AccountResult extends NotAnError, MayWarn {
  taskType: string;
  taskUUID: string;
  operation: string;
  organizationName: string;
  organizationUUID: string;
  balance: { amount: number; freeBalance: number; currency: string };
  team: [];
  apiKeys: [];
  usage: {
    today: UsageFigures;
    last7Days: UsageFigures;
    last30Days: UsageFigures;
    /** Since the server started. */
    total: UsageFigures;
    timeseries?: (UsageFigures & { date: string })[];
    model?: (UsageFigures & { model: string })[];
    apiKey?: (UsageFigures & { apiKey: string })[];
  };
}

/** An item of `data`. */
export type ResultItem =
  | AuthenticationResult
  | PingResult
  | ImageUploadResult
  | MediaStorageResult
  | ImageResult
  | UpscaleResult
  | ProcessingResult
  | TaskCancelResult
  | ModelSearchResult
  | TaskDetailsResult
  | AccountResult;

/** Results: always of one task, never beside errors. */
export interface DataFrame {
  data: [ResultItem, ...ResultItem[]];
}

/** One event. */
export interface EventFrame {
  events: [TaskEvent];
}

/** Every text frame of a server. */
export type ServerFrame = DataFrame | ErrorFrame | EventFrame;

const FORBIDDEN_KEYS = ['code', 'error', 'errorId'];

/**
 * A frame of results. Several only as the cumulative answer to getResponse, and then of one task: JS clients give every
 * item of a frame to every task that has one in it.
 *
 * Throws a TypeError where a rule is broken, because a frame that breaks one makes clients wait for a minute elsewhere.
 */
export function dataFrame(...items: [ResultItem, ...ResultItem[]]): DataFrame {
  const taskUUID = taskUUIDOf(items[0]);
  for (const item of items) {
    if (taskUUIDOf(item) !== taskUUID) throw new TypeError('A frame has results of one task.');
    const forbidden = FORBIDDEN_KEYS.find((key) => Object.hasOwn(item, key));
    if (forbidden !== undefined)
      throw new TypeError(`A result has no key "${forbidden}": clients would take the result for an error.`);
  }
  return { data: items };
}

/** A frame with one event. */
export function eventFrame(event: TaskEvent): EventFrame {
  return { events: [event] };
}

/** The media type of a format, for data URIs and HTTP. */
export function mimeType(format: ImageFormat): 'image/jpeg' | 'image/png' | 'image/webp' {
  return format === 'JPG' ? 'image/jpeg' : format === 'PNG' ? 'image/png' : 'image/webp';
}

function taskUUIDOf(item: ResultItem): string | undefined {
  return 'taskUUID' in item ? item.taskUUID : undefined;
}
