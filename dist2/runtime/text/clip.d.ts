import type { Graph } from '../onnx/graph.ts';
import type { Embeddings, Part, Row } from '../run.ts';
/** What one text encoder makes of one row of ids. */
export interface ClipOutput {
  /** The hidden state `skip` layers before the last; see `encodeClip`. */
  states: Embeddings;
  /** `text_embeds`, of encoders with a projection. */
  pooled: Float32Array | undefined;
}
/** Which of an encoder's states is wanted. */
export interface ClipForm {
  /** Layers left out at the end: 0 is `last_hidden_state`, k is hidden state N - k. */
  skip: number;
  /** Whether the final layer norm follows, as in Stable Diffusion 1.x and 2.x; SDXL takes the state as it is. */
  norm: boolean;
}
/**
 * Has CLIP's text encoder run over rows of ids; a part of a run.
 *
 * @param rows `input_ids` int64 [1, length] and what else the graph takes for each row.
 * @param shared Inputs that all rows have in common.
 * @returns one output for each row
 * @throws RuntimeError `unsupportedParameter` (`clipSkip`) when the graph gives no hidden states, `invalidParameter` when
 *   it has fewer layers.
 */
export declare function encodeClip(
  graph: Graph,
  rows: readonly Row[],
  { skip, norm }: ClipForm,
  shared?: Row,
): Part<ClipOutput[]>;
/**
 * The encoder's final layer norm on a hidden state that the graph does not normalize itself.
 *
 * An exported graph does not tell the weights of the norm, but it shows the norm at work: `last_hidden_state` is
 * normalize(hidden_states.N) * w + b. The normalized state is known, so w and b of each channel are the line through 77
 * points that lie on it exactly, and the norm can be repeated on any other state.
 *
 * @param state [length, width], what to normalize.
 * @param before [length, width], hidden state N. @param after [length, width], `last_hidden_state`.
 */
export declare function applyFinalNorm(
  state: Float32Array,
  before: Float32Array,
  after: Float32Array,
  width: number,
): Float32Array;
