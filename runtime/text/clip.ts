import { RuntimeError } from '../errors.ts';
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
export async function* encodeClip(
  graph: Graph,
  rows: readonly Row[],
  { skip, norm }: ClipForm,
  shared?: Row,
): Part<ClipOutput[]> {
  const layers = countHiddenStates(graph) - 1;
  if (skip > 0 || !norm) {
    if (layers < 1) {
      throw new RuntimeError(
        'unsupportedParameter',
        'This text encoder was exported without its hidden states, so clipSkip does not work.',
        { parameter: 'clipSkip' },
      );
    }
    if (skip >= layers) {
      throw new RuntimeError('invalidParameter', `The text encoder has ${layers} layers; clipSkip is too high.`, {
        parameter: 'clipSkip',
      });
    }
  }
  const raw = `hidden_states.${layers - skip}`;
  const normalized = skip === 0 ? 'last_hidden_state' : `normalized_hidden_states.${layers - skip}`;
  const name = norm ? normalized : raw;
  // Graphs exported elsewhere have no state normalized but the last.
  const states = graph.gives(name) ? [name] : [raw, `hidden_states.${layers}`, 'last_hidden_state'];
  const pooled = graph.gives('text_embeds') ? ['text_embeds'] : [];
  const answers = yield { type: 'call', graph, rows, shared, outputs: [...states, ...pooled], positions: 0 };
  return answers.map((outputs) => {
    const [state, before, after] = states.map((output) => outputs[output]!);
    const [, length, width] = state!.dims as [number, number, number];
    return {
      states: {
        data: before ? applyFinalNorm(state!.data, before.data, after!.data, width) : state!.data,
        length,
        width,
      },
      pooled: outputs.text_embeds?.data,
    };
  });
}

/** Hidden states the graph gives: the embeddings and one for each layer. */
function countHiddenStates(graph: Graph): number {
  let count = 0;
  while (graph.gives(`hidden_states.${count}`)) count++;
  return count;
}

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
export function applyFinalNorm(
  state: Float32Array,
  before: Float32Array,
  after: Float32Array,
  width: number,
): Float32Array {
  const x = normalizeRows(before, width);
  const rows = before.length / width;
  const result = normalizeRows(state, width);
  for (let channel = 0; channel < width; channel++) {
    let meanX = 0;
    let meanY = 0;
    for (let at = channel; at < x.length; at += width) {
      meanX += x[at]! / rows;
      meanY += after[at]! / rows;
    }
    let covariance = 0;
    let variance = 0;
    for (let at = channel; at < x.length; at += width) {
      covariance += (x[at]! - meanX) * (after[at]! - meanY);
      variance += (x[at]! - meanX) ** 2;
    }
    const weight = covariance / variance;
    const bias = meanY - weight * meanX;
    for (let at = channel; at < result.length; at += width) result[at] = result[at]! * weight + bias;
  }
  return Float32Array.from(result);
}

/** Each row to mean 0 and variance 1; 1e-5 is the epsilon of every published CLIP. */
function normalizeRows(values: Float32Array, width: number): Float64Array {
  const result = new Float64Array(values.length);
  for (let row = 0; row < values.length; row += width) {
    let mean = 0;
    for (let at = row; at < row + width; at++) mean += values[at]! / width;
    let variance = 0;
    for (let at = row; at < row + width; at++) variance += (values[at]! - mean) ** 2 / width;
    const scale = 1 / Math.sqrt(variance + 1e-5);
    for (let at = row; at < row + width; at++) result[at] = (values[at]! - mean) * scale;
  }
  return result;
}
