/** What crosses the border of the runtime process: imperative going in, past tense coming out. */

import type { RuntimeErrorMessage } from './errors.ts';

/** Rows from top to bottom, three bytes (red, green, blue) a pixel, no padding. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8Array;
}

/** One run: one image. A task that asks for several results is several runs. */
export interface GenerateRequest {
  /** Absolute path of the model's folder. */
  model: string;
  prompt: string;
  /** Absent: the unconditional prompt of the model (empty text, or zeros where the model's config forces them). */
  negativePrompt?: string;
  /** Pixels; multiples of the model's `sizeMultiple`. */
  width: number;
  height: number;
  /** Steps over the whole schedule; image-to-image runs the last `floor(steps * strength)` of them. */
  steps: number;
  /** Classifier-free guidance; at 1 or below a single branch runs and the negative prompt has no effect. */
  guidanceScale: number;
  /** A spelling that `resolveScheduler` knows; absent: the model's own. */
  scheduler?: string;
  /** Seeds PyTorch's CPU generator, which uses the low 32 bits. */
  seed: bigint;
  /** Layers of the text encoder to skip beyond the model's own; default 0. */
  clipSkip?: number;
  /** Image-to-image: the seed image (resized by the caller to width and height) and how far to leave it, 0 to 1. */
  image?: { pixels: Pixels; strength: number };
  /** Absent: no previews. */
  previews?: PreviewRequest;
}

export interface PreviewRequest {
  /** A preview at every N-th step and at the last; 1 is every step. */
  every: number;
  /** A name of `previewDecoders`; default `linear`. */
  decoder?: string;
}

/** Where a run is; the parent holds a deadline for each. */
export type Stage = 'loading' | 'encoding' | 'denoising' | 'decoding';

/** What a run says, in order: started, then stepped and previewed, then finished. `steps` counts the steps really run. */
export type RunEvent =
  | { type: 'staged'; stage: Stage }
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
  | { type: 'start'; provider: string; threads?: number | undefined }
  | { type: 'generate'; run: number; request: GenerateRequest }
  | { type: 'cancel'; run: number };

/**
 * From the runtime's process to the server's. Each `generate` is answered by `reported` events and ends in exactly one
 * of: `reported` with a `finished` event, `failed`, or `cancelled`.
 */
export type FromRuntime =
  | { type: 'ready'; provider: string; reason: string }
  | { type: 'unready'; message: string }
  | { type: 'logged'; level: LogLevel; message: string; fields?: Record<string, unknown> | undefined }
  | { type: 'loaded'; model: string; memoryBytes: number }
  | { type: 'reported'; run: number; event: RunEvent; memoryBytes?: number | undefined }
  | { type: 'failed'; run: number; error: RuntimeErrorMessage }
  | { type: 'cancelled'; run: number };

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
