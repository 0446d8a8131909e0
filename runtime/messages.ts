/** What crosses the border of the runtime process: imperative going in, past tense coming out. */

import type { RuntimeErrorMessage } from './errors.ts';

/** Rows from top to bottom, three bytes (red, green, blue) a pixel, no padding. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8Array;
}

/** Parts of a model in files of its own that somebody chose, by absolute paths; others are found by the model's own rules. */
export interface ModelParts {
  textEncoders?: readonly string[];
  /** A folder with config.json and weights, or one file. */
  vae?: string;
}

/** One run: one image. A task that asks for several results is several runs. */
export interface GenerateRequest {
  /** Absolute path of the model: a folder in the diffusers layout, or one safetensors file. */
  model: string;
  parts?: ModelParts;
  prompt: string;
  /** Absent: the unconditional prompt of the model (empty text, or zeros where the model's config forces them). */
  negativePrompt?: string;
  /** What the second text encoder reads; default: the first prompts. */
  prompt2?: string;
  negativePrompt2?: string;
  /** How a prompt writes the weights of its parts; absent: signs are text like any other. */
  promptWeighting?: PromptWeighting;
  /** Pixels; multiples of the model's `sizeMultiple`. */
  width: number;
  height: number;
  /** Steps over the whole schedule; image-to-image runs the last `floor(steps * strength)` of them. */
  steps: number;
  /** Classifier-free guidance; at 1 or below a single branch runs and the negative prompt has no effect. */
  guidanceScale: number;
  /** Classifier-free guidance of models that take `guidanceScale` as an input; at 1 or below, or without a negative prompt, none. */
  trueGuidanceScale?: number;
  /**
   * Most length of the guided prediction, as a multiple of that of the conditional branch (diffusers: `cfg_normalization`);
   * 0 or absent: any.
   */
  guidanceNormalization?: number;
  /** Guidance ends where 1 - sigma is above this (diffusers: `cfg_truncation`); absent: never. */
  guidanceTruncation?: number;
  /** Tokens of the prompt that are read, where the text encoder takes long ones; default the family's. */
  maxSequenceLength?: number;
  /** Pictures that the prompt refers to, for models that edit by them; each of its own size. */
  references?: Pixels[];
  /** Pictures that are read like words of the prompt, for models that take such. */
  imagePrompts?: ImagePromptRequest[];
  /** A spelling that `resolveScheduler` knows; absent: the model's own. */
  scheduler?: string;
  /** Flow-matching models: the shift of the sigmas, see `FlowSchedule`; absent: the model's own. Others refuse it. */
  shift?: number;
  /** Seeds PyTorch's CPU generator, which uses the low 32 bits. */
  seed: bigint;
  /** Layers of the text encoder to skip beyond the model's own; default 0. */
  clipSkip?: number;
  /** Image-to-image: the seed image (resized by the caller to width and height) and how far to leave it, 0 to 1. */
  image?: { pixels: Pixels; strength: number };
  /** Inpainting: one byte a pixel of the result, 255 to change and 0 to keep what `image` shows there. Needs `image`. */
  mask?: Uint8Array;
  /** Models that edit a picture: how closely to keep to it; default 1.5. Others refuse it. */
  imageGuidanceScale?: number;
  /** Networks that hold the picture to guide images, all at once. */
  controlNets?: ControlNetRequest[];
  /** Low-rank weights added to the model's, all at once; `weight` may be negative. */
  loras?: WeightedFile[];
  /** Textual inversions: words of their own for the prompt; `weight` multiplies their vectors. */
  embeddings?: WeightedFile[];
  /** Absolute path of another autoencoder than the model's. */
  vae?: string;
  /** Absolute path of a second model that takes over at a step (from 0), on the same latents. */
  refiner?: { model: string; parts?: ModelParts; startStep: number };
  /** Runs only the outermost layers of the denoiser in some steps, at some loss; absent: in none. */
  deepCache?: DeepCacheRequest;
  /** The same for transformers, where little changes; absent: never. */
  firstBlockCache?: FirstBlockCacheRequest;
  /** Absent: no previews. */
  previews?: PreviewRequest;
  /**
   * Whether every step is told; default true. Otherwise `stepped` comes a few times a second, and not at a step that a
   * preview tells of.
   */
  progress?: boolean;
  /**
   * Whose part of the machine the run takes, by a key of the caller's choice, and how large that part is: twice the weight
   * is twice the work. Runs of one key share one part, the oldest first. Absent: a part of its own, of weight 1.
   */
  share?: { key: string; weight: number };
}

/** How graphs that are written here hold weights, see `WeightsForm`. */
export type HeldWeights = 'auto' | 'stored' | 'int8' | 'int4' | 'float16';

/** Spares the blocks behind a transformer's first one in calls where the first changes little. */
export interface FirstBlockCacheRequest {
  /** Change of what the first block adds, over its size, below which the others are not computed again: 0 is never. */
  threshold: number;
  /** Most calls in a row that are spared. */
  most: number;
  /** Calls may be spared from this step, from 0, up to but without `endStep`; never the first one. */
  startStep: number;
  endStep: number;
}

export interface DeepCacheRequest {
  /** Calls of the denoiser from one whole one to the next; 1 is as without. */
  interval: number;
  /** Calls are spared from this step, from 0, up to but without `endStep`; never in the first step run nor in the last. */
  startStep: number;
  endStep: number;
}

/** `compel`: `word++`, `(some words)1.3`. `sdEmbeds`: `(some words:1.3)`, `((word))`, `[word]`. */
export type PromptWeighting = 'compel' | 'sdEmbeds';

export interface WeightedFile {
  /** Absolute path of a safetensors file. */
  path: string;
  weight: number;
}

export interface ImagePromptRequest {
  /** Absolute path: a folder with what makes words of a picture. */
  model: string;
  /** Of any size. */
  pixels: Pixels;
  /** How much text and picture count, 0 to 2; those of several pictures are added up. */
  weight: number;
}

export interface ControlNetRequest {
  /** Absolute path: a folder with config.json and weights. */
  model: string;
  /** The guide image, resized by the caller to width and height. */
  pixels: Pixels;
  /** 0 to 1. */
  weight: number;
  /** It acts from this step, from 0, up to but without `endStep`. */
  startStep: number;
  endStep: number;
  /** Whether both matter alike, or the prompt or the guide image prevails. */
  mode: 'balanced' | 'prompt' | 'controlnet';
  /** What the guide image is, by number, for one network of several kinds; default 0. Others refuse it. */
  unionMode?: number;
}

export interface PreviewRequest {
  /** A preview at every N-th step and at the last; 1 is every step. */
  every: number;
  /** A name of `previewDecoders`; default `linear`. */
  decoder?: string;
  /** Absolute path of the tiny decoder's folder, for `tiny`. */
  tinyDecoder?: string;
}

/** Where a run is; the parent holds a deadline for each. */
export type Stage = 'loading' | 'encoding' | 'denoising' | 'decoding';

/**
 * What a run says, in order: started, then stepped and previewed, then finished. `steps` counts the steps really run. Not
 * every step is told, see `GenerateRequest.progress`.
 */
export type RunEvent =
  | { type: 'staged'; stage: Stage }
  /** Before a component is loaded: bytes of weights loaded so far, and of all that this run needs and did not find loaded. */
  | { type: 'loading'; component: string; doneBytes: number; ofBytes: number }
  | { type: 'started'; steps: number }
  | { type: 'stepped'; step: number; steps: number }
  | { type: 'previewed'; step: number; steps: number; pixels: Pixels }
  | { type: 'finished'; pixels: Pixels; timings: Timings };

/** Milliseconds spent in each stage of one run. */
export interface Timings {
  loadingMs: number;
  encodingMs: number;
  denoisingMs: number;
  decodingMs: number;
}

/** From the server's process to the runtime's. A run is known by a number that the parent picks. */
export type ToRuntime =
  | {
      type: 'start';
      provider: string;
      precision?: 'auto' | 'float32' | 'float16' | undefined;
      weights?: HeldWeights | undefined;
      packedFolder?: string | undefined;
      threads?: number | undefined;
      rowsPerCall?: number | undefined;
      memoryLimitBytes?: number | undefined;
      /** What earlier processes found out, here or elsewhere. */
      calibrations: readonly Calibration[];
    }
  /** `workingBytes`: what the run takes beside its networks, by an estimate. */
  | { type: 'generate'; run: number; request: GenerateRequest; workingBytes: number }
  | { type: 'cancel'; run: number };

/**
 * From the runtime's process to the server's, one message or a list of them that leave together. Each `generate` is answered
 * by `reported` events and ends in exactly one of: `reported` with a `finished` event, `failed`, `cancelled`, or `broken`.
 */
export type FromRuntime =
  | { type: 'ready'; provider: string; reason: string; precision: 'float32' | 'float16'; precisionReason: string }
  | { type: 'unready'; message: string }
  | { type: 'logged'; level: LogLevel; message: string; fields?: Record<string, unknown> | undefined }
  | { type: 'loaded'; model: string; memoryBytes: number }
  /** The runs that the next call of a graph is for; none: no graph has work, but some run loads or reads. */
  | { type: 'working'; runs: number[] }
  /** A call of so many rows is made for the first time; if nothing is heard of it any more, it took the process down. */
  | { type: 'trying'; calibration: Calibration }
  | { type: 'tried' }
  /** `found` is absent where an earlier process found it out. */
  | {
      type: 'calibrated';
      calibration: Calibration;
      found?: { msPerRow: Record<number, number>; difference: number } | undefined;
    }
  | { type: 'reported'; run: number; event: RunEvent; memoryBytes?: number | undefined; calls?: Calls[] | undefined }
  | { type: 'failed'; run: number; error: RuntimeErrorMessage; calls?: Calls[] | undefined }
  /** `last` is the last step, where it was not told yet. */
  | {
      type: 'cancelled';
      run: number;
      calls?: Calls[] | undefined;
      last?: Extract<RunEvent, { type: 'stepped' }> | undefined;
    }
  /** In place of the end of a run: it failed, and so does all else that the provider is asked for. */
  | { type: 'broken'; run: number; reason: string; deviceLost: boolean };

/** Calls that were answered, all of the same graph and as many rows; told by the way, for statistics. */
export interface Calls {
  /** Absolute path of the model or part that the graph belongs to. */
  path: string;
  /** `unet`, `vae_decoder`, `controlnet`, … */
  component: string;
  rows: number;
  calls: number;
  /** What they took together, in milliseconds. */
  ms: number;
}

/** How many rows (images, or guidance branches of images) one call of a graph takes, because more do not pay. */
export interface Batch {
  /** Model and component: `pocket/unet`. */
  graph: string;
  /** What a row looks like. */
  shape: string;
  rows: number;
}

/** A batch, and where it holds: on the same machine for graphs of the same structure. */
export interface Calibration extends Batch {
  /** What computes, as `machineOf` puts it. */
  machine: string;
  /** `Graph.structure`; absent where that is not known. */
  structure?: string | undefined;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
