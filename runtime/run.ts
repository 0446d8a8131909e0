import type { Pixels, Stage } from './messages.ts';
import type { Graph } from './onnx/graph.ts';
import type { FloatTensor, Tensor } from './tensors/tensor.ts';

/**
 * A run makes one image. It is a coroutine: it yields graph calls and resumes with their outputs, one set for each
 * row; events resume with an empty list. It returns the picture. Its driver decides about batching, previews and
 * cancelling.
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
  /** Common inputs without a batch dimension; runs share a call if this is the same object. */
  shared?: Row | undefined;
  /** Names of the wanted outputs. */
  outputs: readonly string[];
  /**
   * Height × width of the graph's input: latents, or pixels for autoencoders; 0 for texts. It limits the rows of a
   * call.
   */
  positions: number;
}

export interface LatentShape {
  channels: number;
  height: number;
  width: number;
}

/** One encoded prompt: `data` is [length, width]. */
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
  /** Keys and values of IP-Adapters by the denoiser's input names; absent: none acts. */
  images?: Row | undefined;
  /** Additional channels [n, height, width] after the latents: a mask, or a picture to edit. */
  channels?: Float32Array | undefined;
  /** False for the unconditional branch; default true. */
  conditional?: boolean | undefined;
}

export type Report =
  | { type: 'staged'; stage: Stage }
  | { type: 'loading'; component: string; doneBytes: number; ofBytes: number }
  | { type: 'started'; steps: number }
  | ({ type: 'stepped'; step: number; steps: number } & Shown);

/** What a preview of a step shows: the predicted x₀ in scaled latents, or pixels. */
type Shown = { denoised: Float32Array; shape: LatentShape } | { picture: () => Pixels };
