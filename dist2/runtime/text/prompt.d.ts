import type { PromptWeighting } from '../messages.ts';
import type { Graph } from '../onnx/graph.ts';
import type { Part, Row } from '../run.ts';
import { type FloatTensor } from '../tensors/tensor.ts';
import { type Chunk } from './chunks.ts';
import { type ClipForm, type ClipOutput } from './clip.ts';
import type { Embedding } from './embedding.ts';
import type { Tokenizer } from './tokenizer.ts';
/** One text encoder of a model, and the words it reads. */
export interface PromptEncoder {
  graph: Graph;
  tokenizer: Tokenizer;
  /** Which vectors of a textual inversion it reads. */
  name: string;
  /** Inputs of the graph that all rows have in common (adapters). */
  shared?: Row | undefined;
}
/** A textual inversion with what its vectors are multiplied by. */
export interface WeightedEmbedding extends Embedding {
  weight: number;
}
export interface Prompt {
  text: string;
  /** Absent: signs are text. */
  weighting?: PromptWeighting | undefined;
  /** All that the text may name. */
  embeddings?: readonly WeightedEmbedding[] | undefined;
  /** Those of `embeddings` that follow the text although it does not name them. */
  appended?: readonly WeightedEmbedding[] | undefined;
  /** What errors call the text; default `prompt`. */
  parameter?: string | undefined;
}
/** A prompt cut into rows for one encoder. */
export interface PromptPlan {
  /** Rows of states that it becomes; each is as long as the tokenizer says. */
  readonly chunks: number;
  readonly prompt: Prompt;
  readonly join: 'concatenate' | 'blend';
  readonly parts: readonly PlannedPart[];
  /** [count, width], the vectors of all its embeddings. */
  readonly extra: FloatTensor | undefined;
}
interface PlannedPart {
  weight: number;
  chunks: Chunk[];
  /** Fragments of compel with a weight below 1, and the chunks of the part without them. */
  lacking: {
    fragment: number;
    weight: number;
    chunks: Chunk[];
  }[];
}
/** The embeddings that no text names. They are meant all the same, so they follow the positive prompt. */
export declare function unnamedEmbeddings(
  texts: readonly string[],
  weighting: PromptWeighting | undefined,
  embeddings: readonly WeightedEmbedding[],
): WeightedEmbedding[];
/**
 * Takes the signs out of a prompt, puts embeddings in and cuts it into rows; nothing is computed yet. The prompts of one
 * run need the same length: encode them with the largest number of chunks that their plans say.
 *
 * @throws RuntimeError `invalidParameter` for a prompt that is too long or vectors that do not fit, `unsupportedParameter`
 *   (`embeddings`) where the graph takes no vectors.
 */
export declare function planPrompt(encoder: PromptEncoder, prompt: Prompt): PromptPlan;
/**
 * The states of a planned prompt, its rows one after the other, with the weights of its fragments applied; a part of a
 * run. `pooled` is that of the first row, unweighted; where prompts are blended, so is it.
 *
 * @param chunks Rows of the result; what the prompt does not fill is the empty text. Default: those of the plan.
 * @throws RuntimeError `invalidParameter` where a prompt has too many parts of a weight below 1, and as `encodeClip`
 */
export declare function encodePrompt(
  encoder: PromptEncoder,
  plan: PromptPlan,
  form: ClipForm & {
    chunks?: number;
  },
): Part<ClipOutput>;
