import type { Pixels, Stage } from './messages.ts';
import type { Graph } from './onnx/graph.ts';
import type { FloatTensor, Tensor } from './tensors/tensor.ts';

/**
 * One image being denoised, written once as a coroutine: it yields the calls of graphs that it needs and is resumed with
 * their outputs, one set for each row; what it reports is answered with an empty list. It returns the picture. When to go
 * on, with whom to share a call, whether to show a preview and when to stop is up to whoever drives it.
 */
export type Run = AsyncGenerator<Ask, Pixels, Outputs[]>;

export type Ask = Call | Report;

/** A part of a run, used with `yield*`. */
export type Part<T> = AsyncGenerator<Ask, T, Outputs[]>;

/** Inputs of a graph for one row, by name, each with a leading dimension of 1. */
export type Row = Readonly<Record<string, Tensor>>;

/** Outputs of one row, by name, each with a leading dimension of 1. */
export type Outputs = Readonly<Record<string, FloatTensor>>;

/** One call of a graph, for one row or several (the branches of guidance); rows of other runs may join it. */
export interface Call {
  type: 'call';
  graph: Graph;
  rows: readonly Row[];
  /** Inputs that all rows have in common and that have no batch dimension; runs share a call when this is the same object. */
  shared?: Row | undefined;
  /** Names of the wanted outputs. */
  outputs: readonly string[];
  /**
   * Height times width of what the graph works on: latents, or pixels for autoencoders; 0 for texts. The driver bounds the
   * rows of a call by it.
   */
  positions: number;
}

export interface LatentShape {
  channels: number;
  height: number;
  width: number;
}

/** One prompt as the denoiser reads it: `data` is [length, width]. */
export interface Embeddings {
  data: Float32Array;
  length: number;
  width: number;
}

/** The denoiser's inputs for one prompt. */
export interface Branch {
  embeddings: Embeddings;
  /** Further inputs of the denoiser by name, one row of each: `text_embeds`, `time_ids`. */
  extras: Row;
  /** Further channels [n, height, width] behind the latents: a mask, or a picture to edit. */
  channels?: Float32Array | undefined;
  /** False for the unconditional branch; default true. */
  conditional?: boolean | undefined;
}

export type Report =
  | { type: 'staged'; stage: Stage }
  | { type: 'loading'; component: string; doneBytes: number; ofBytes: number }
  | { type: 'started'; steps: number }
  /** `denoised` is the predicted x₀ after this step, in scaled latents. */
  | { type: 'stepped'; step: number; steps: number; denoised: Float32Array; shape: LatentShape };
