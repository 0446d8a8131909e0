import type { Pixels, Stage } from '../messages.ts';
import type { FloatTensor, Graph, Tensor } from '../onnx/graph.ts';
import type { Embeddings } from '../text/clip.ts';

/**
 * One image being denoised, written once as a coroutine: it yields what it needs predicted and is resumed with the
 * answer, one array for each branch; what it reports is answered with an empty list. It returns the picture. When to go
 * on, whether to show a preview and when to stop is up to whoever drives it.
 */
export type Run = AsyncGenerator<Ask, Pixels, Float32Array[]>;

export type Ask = PredictionRequest | Report;

/** One call of a UNet for one set of latents; guidance needs several branches of it. */
export interface PredictionRequest {
  type: 'predict';
  graph: Graph;
  /** [channels, height, width], scaled for the model by the scheduler. */
  latents: Float32Array;
  shape: LatentShape;
  timestep: number;
  branches: readonly Branch[];
}

export interface LatentShape {
  channels: number;
  height: number;
  width: number;
}

/** What the branches of one request differ in. */
export interface Branch {
  embeddings: Embeddings;
  /** Further inputs of the UNet by name, each with a leading dimension of 1: `text_embeds`, `time_ids`. */
  extras: Readonly<Record<string, FloatTensor>>;
}

export type Report =
  | { type: 'staged'; stage: Stage }
  | { type: 'started'; steps: number }
  /** `denoised` are the clean, scaled latents believed in after this step. */
  | { type: 'stepped'; step: number; steps: number; denoised: Float32Array; shape: LatentShape };

/** A part of a run, used with `yield*`. */
export type Part<T> = AsyncGenerator<Call, T, Outputs[]>;

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
  /** Positions of the latents, height times width, from which the driver tells how many rows one call should take. */
  positions: number;
}
