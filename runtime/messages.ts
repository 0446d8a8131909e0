/** The messages of the runtime process: imperative names to it, past tense from it. */

import type { RuntimeErrorMessage } from './errors.ts';

/** Rows from top to bottom, three bytes (red, green, blue) per pixel, no padding. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8Array;
}

/** Explicitly chosen files for parts of a model, as absolute paths. The model's rules find the others. */
export interface ModelParts {
  textEncoders?: readonly string[];
  /** A folder with config.json and weights, or one file. */
  vae?: string;
}

/** One run makes one image. A task with several results has several runs. */
export type RunRequest = GenerateRequest | UpscaleRequest;

/** What every kind of run has. */
interface AnyRequest {
  /** Pixels of the result. */
  width: number;
  height: number;
  /** Absent: no previews. */
  previews?: PreviewRequest;
  /**
   * Whether every step is reported; default true. Otherwise `stepped` comes a few times a second, and not for a step
   * with a preview.
   */
  progress?: boolean;
  /**
   * The share of the machine: a key chosen by the caller, and its weight. Runs of one key share one part, the oldest
   * first. Absent: a separate share of weight 1.
   */
  share?: { key: string; weight: number };
}

/** The `model` of an upscale without a network. */
export const LANCZOS = 'lanczos';

/** Enlarges a picture, tile by tile; each tile is a step. */
export interface UpscaleRequest extends AnyRequest {
  kind: 'upscale';
  /** Absolute path of the network's file, or `LANCZOS`: interpolation only. */
  model: string;
  /** The picture; no side is larger than that of the result. */
  image: Pixels;
}

/** Generates an image from a prompt; `width` and `height` are multiples of the model's `sizeMultiple`. */
export interface GenerateRequest extends AnyRequest {
  kind?: 'generate';
  /** Absolute path of the model: a folder in the diffusers layout, or one safetensors file. */
  model: string;
  parts?: ModelParts;
  prompt: string;
  /** Absent: the unconditional prompt of the model (empty text, or zeros where the model's config forces them). */
  negativePrompt?: string;
  /** Prompts of the second text encoder; default: the first prompts. */
  prompt2?: string;
  negativePrompt2?: string;
  /** Syntax of prompt weights; absent: none. */
  promptWeighting?: PromptWeighting;
  /** Steps of the whole schedule; image-to-image runs the last `floor(steps * strength)` of them. */
  steps: number;
  /**
   * Classifier-free guidance scale; at 1 or below only the conditional branch runs and the negative prompt has no
   * effect.
   */
  guidanceScale: number;
  /**
   * Classifier-free guidance scale of models that take `guidanceScale` as an input; at 1 or below, or without a
   * negative prompt, there is none.
   */
  trueGuidanceScale?: number;
  /**
   * Maximum norm of the guided prediction, as a multiple of that of the conditional branch (diffusers:
   * `cfg_normalization`); 0 or absent: no limit.
   */
  guidanceNormalization?: number;
  /** Guidance ends when 1 - sigma is above this (diffusers: `cfg_truncation`); absent: never. */
  guidanceTruncation?: number;
  /** Maximum tokens of the prompt, for text encoders with a variable length; default: the family's. */
  maxSequenceLength?: number;
  /** Reference images, for models that take them; each of its own size. */
  references?: Pixels[];
  /** Image prompts, for models that take them. */
  imagePrompts?: ImagePromptRequest[];
  /** A name for `resolveScheduler`; absent: the model's scheduler. */
  scheduler?: string;
  /** Flow-matching models: the shift of the sigmas, see `FlowSchedule`; absent: the model's. Others refuse it. */
  shift?: number;
  /** Seeds PyTorch's CPU generator, which uses the low 32 bits. */
  seed: bigint;
  /** Layers of the text encoder to skip in addition to the model's; default 0. */
  clipSkip?: number;
  /** Image-to-image: the seed image (resized by the caller to width and height) and the strength, 0 to 1. */
  image?: { pixels: Pixels; strength: number };
  /** Inpainting: one byte per pixel of the result, 255 to change and 0 to keep `image` there. Needs `image`. */
  mask?: Uint8Array;
  /** Models with image guidance: its scale; default 1.5. Others refuse it. */
  imageGuidanceScale?: number;
  /** ControlNets, all applied together. */
  controlNets?: ControlNetRequest[];
  /** LoRAs, all applied together; `weight` may be negative. */
  loras?: WeightedFile[];
  /** Textual inversions: further tokens for the prompt; `weight` multiplies their vectors. */
  embeddings?: WeightedFile[];
  /** Absolute path of an autoencoder that replaces the model's. */
  vae?: string;
  /** Absolute path of a second model that starts at a step (from 0), on the same latents. */
  refiner?: { model: string; parts?: ModelParts; startStep: number };
  /** DeepCache: some steps run only the outermost layers of the denoiser; absent: none. */
  deepCache?: DeepCacheRequest;
  /** First-block cache for transformers; absent: not used. */
  firstBlockCache?: FirstBlockCacheRequest;
}

/** Form of weights in generated graphs, see `WeightsForm`. */
export type HeldWeights = 'auto' | 'stored' | 'int8' | 'int4' | 'float16';

/** Skips all blocks after a transformer's first in calls where the first block's output changes little. */
export interface FirstBlockCacheRequest {
  /** Relative change of the first block's residual, below which the other blocks are skipped: 0 never skips. */
  threshold: number;
  /** Maximum consecutive skipped calls. */
  most: number;
  /** Calls may be skipped from this step (from 0) up to, but not including, `endStep`; never the first one. */
  startStep: number;
  endStep: number;
}

export interface DeepCacheRequest {
  /** One of this many calls is whole; 1 disables it. */
  interval: number;
  /** Calls are shallow from this step (from 0) up to, but not including, `endStep`; never in the first or last step. */
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

/** Pictures as a prompt: as words of it, or through an IP-Adapter. */
export interface ImagePromptRequest {
  /** Absolute path of a folder or file with an image prompt model. */
  model: string;
  /** Of any size, one or more. */
  pictures: Pixels[];
  /**
   * As words: scale of text and pictures, 0 to 2; the embeddings of several requests are summed, and those of one's pictures
   * averaged. IP-Adapter: how much the pictures count, -2 to 2; below 0 they are steered away from.
   */
  weight: number;
  /** IP-Adapter: how much each attention of the UNet counts; default `normal`, all of them alike. */
  weightType?: ImageWeightType;
  /** IP-Adapter: the weight of the composition, for the weight types with one; default 1. */
  weightComposition?: number;
  /** IP-Adapter: what the weight multiplies; default `kv`. */
  embedScaling?: ImageEmbedScaling;
  /** IP-Adapter: how several pictures become one prompt; default `concat`. */
  combineMethod?: ImageCombineMethod;
}

/** See `families/imageWeights.ts`. */
export type ImageWeightType =
  | 'normal'
  | 'ease_in'
  | 'ease_out'
  | 'ease_in_out'
  | 'weak_input'
  | 'weak_output'
  | 'weak_middle'
  | 'strong_middle'
  | 'style_transfer'
  | 'composition'
  | 'strong_style_transfer'
  | 'style_and_composition'
  | 'strong_style_and_composition';

/**
 * `only_v`: the values, which is the scale of the paper and of diffusers. `kv`: keys and values. `kv_penalty_c`: the same with
 * the weight times channels / 1280. `k_mean_v_penalty_c`: that weight for the keys and the mean of the values.
 */
export type ImageEmbedScaling = 'only_v' | 'kv' | 'kv_penalty_c' | 'k_mean_v_penalty_c';

/** `concat`: the tokens of all pictures. Others make one of what the encoder gives of each. */
export type ImageCombineMethod = 'concat' | 'add' | 'subtract' | 'average' | 'norm_average';

export interface ControlNetRequest {
  /** Absolute path: a folder with config.json and weights. */
  model: string;
  /** The guide image, resized by the caller to width and height. */
  pixels: Pixels;
  /** 0 to 1. */
  weight: number;
  /** It applies from this step (from 0) up to, but not including, `endStep`. */
  startStep: number;
  endStep: number;
  /** Whether prompt and guide image have equal influence, or one has more. */
  mode: 'balanced' | 'prompt' | 'controlnet';
  /** Kind of the guide image, by number, for a union ControlNet; default 0. Others refuse it. */
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

/** Stage of a run; the parent has a deadline for each. The steps of any kind of run are in the stage `denoising`. */
export type Stage = 'loading' | 'encoding' | 'denoising' | 'decoding';

/**
 * Events of a run, in order: started, then stepped and previewed, then finished. `steps` is the number of steps that
 * run. Not every step is reported, see `progress` of the request.
 */
export type RunEvent =
  | { type: 'staged'; stage: Stage }
  /** Sent before a component is loaded: loaded bytes, and bytes that this run must load. */
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

/** Messages to the runtime process. The parent chooses the number of a run. */
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
      /** Batch sizes measured by earlier processes. */
      calibrations: readonly Calibration[];
    }
  /** `workingBytes`: what the run takes beside its networks, by an estimate. */
  | { type: 'generate'; run: number; request: RunRequest; workingBytes: number }
  | { type: 'cancel'; run: number };

/**
 * Messages from the runtime process, single or in a list. Each `generate` is answered by `reported` events and ends in
 * exactly one of: `reported` with a `finished` event, `failed`, `cancelled`, or `broken`.
 */
export type FromRuntime =
  | { type: 'ready'; provider: string; reason: string; precision: 'float32' | 'float16'; precisionReason: string }
  | { type: 'unready'; message: string }
  | { type: 'logged'; level: LogLevel; message: string; fields?: Record<string, unknown> | undefined }
  | { type: 'loaded'; model: string; memoryBytes: number }
  /** The runs of the next graph call; empty: no graph call, but some run loads or reads. */
  | { type: 'working'; runs: number[] }
  /** The first call of a batch size starts; if no further message comes, it killed the process. */
  | { type: 'trying'; calibration: Calibration }
  | { type: 'tried' }
  /** `found` is absent if an earlier process measured it. */
  | {
      type: 'calibrated';
      calibration: Calibration;
      found?: { msPerRow: Record<number, number>; difference: number } | undefined;
    }
  | { type: 'reported'; run: number; event: RunEvent; memoryBytes?: number | undefined; calls?: Calls[] | undefined }
  | { type: 'failed'; run: number; error: RuntimeErrorMessage; calls?: Calls[] | undefined }
  /** `last` is the last step, if it was not reported yet. */
  | {
      type: 'cancelled';
      run: number;
      calls?: Calls[] | undefined;
      last?: Extract<RunEvent, { type: 'stepped' }> | undefined;
    }
  /** Replaces the end of a run: it failed, and so does every other call of the provider. */
  | { type: 'broken'; run: number; reason: string; deviceLost: boolean };

/** Statistics of finished calls of one graph and number of rows. */
export interface Calls {
  /** Absolute path of the model or part that the graph belongs to. */
  path: string;
  /** `unet`, `vae_decoder`, `controlnet`, … */
  component: string;
  rows: number;
  calls: number;
  /** Total duration in milliseconds. */
  ms: number;
}

/** The best number of rows (images, or guidance branches of images) per graph call. */
export interface Batch {
  /** Model and component: `pocket/unet`. */
  graph: string;
  /** Shape of a row. */
  shape: string;
  rows: number;
}

/** A batch size with the machine and graph structure that it applies to. */
export interface Calibration extends Batch {
  /** The machine, from `machineOf`. */
  machine: string;
  /** `Graph.structure`; absent if unknown. */
  structure?: string | undefined;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
