import { RuntimeError } from '../errors.ts';
import type { PromptWeighting } from '../messages.ts';
import type { Graph } from '../onnx/graph.ts';
import type { Embeddings, Part, Row } from '../run.ts';
import { type FloatTensor, floats, int64s } from '../tensors/tensor.ts';
import { type AddedWord, type Chunk, cutIntoChunks, emptyChunk, namedWords } from './chunks.ts';
import { type ClipForm, type ClipOutput, encodeClip } from './clip.ts';
import type { Embedding } from './embedding.ts';
import { parsePrompt } from './promptSyntax.ts';
import type { Tokenizer } from './tokenizer.ts';
import { weighCompel, weighSdEmbeds } from './weighting.ts';

/** Rows of states one prompt may become; 40 hold 3000 tokens, which 10,000 characters of prose stay below. */
const mostChunks = 40;
/** Rows one prompt may cost; each part of a weight below 1 takes one more. */
const mostRows = 128;
const mostCharacters = 10_000;

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
  lacking: { fragment: number; weight: number; chunks: Chunk[] }[];
}

/** The embeddings that no text names. They are meant all the same, so they follow the positive prompt. */
export function unnamedEmbeddings(
  texts: readonly string[],
  weighting: PromptWeighting | undefined,
  embeddings: readonly WeightedEmbedding[],
): WeightedEmbedding[] {
  const fragments = texts.flatMap((text) => parsePrompt(text, weighting).parts.flatMap((part) => part.fragments));
  const named = namedWords(fragments, embeddings);
  return embeddings.filter((embedding) => !named.has(embedding));
}

/**
 * Takes the signs out of a prompt, puts embeddings in and cuts it into rows; nothing is computed yet. The prompts of one
 * run need the same length: encode them with the largest number of chunks that their plans say.
 *
 * @throws RuntimeError `invalidParameter` for a prompt that is too long or vectors that do not fit, `unsupportedParameter`
 *   (`embeddings`) where the graph takes no vectors.
 */
export function planPrompt(encoder: PromptEncoder, prompt: Prompt): PromptPlan {
  const { tokenizer } = encoder;
  const { text, weighting, embeddings = [], appended = [] } = prompt;
  if (text.length > mostCharacters) {
    throw tooLong(prompt, `The prompt has ${text.length} characters; at most ${mostCharacters} are allowed.`);
  }
  const { join, parts } = parsePrompt(text, weighting);
  if (parts.length > mostChunks) {
    throw tooLong(prompt, `The prompt joins ${parts.length} prompts; at most ${mostChunks} are allowed.`);
  }
  const light = parts.flatMap((part) => part.fragments).filter((fragment) => fragment.weight < 1).length;
  if (weighting === 'compel' && light > mostRows) {
    throw tooLong(prompt, `The prompt gives ${light} parts a weight below 1; at most ${mostRows} are allowed.`);
  }
  const extra = embeddings.length > 0 ? vectorsOf(encoder, embeddings) : undefined;
  const words = addedWords(encoder, embeddings);
  const last = words.filter((_, index) => appended.includes(embeddings[index]!));
  const planned = parts.map(({ fragments, weight }, index): PlannedPart => {
    const following = join === 'blend' || index === parts.length - 1 ? last : [];
    const chunks = cutIntoChunks(tokenizer, fragments, words, following);
    const lacking = fragments.flatMap((fragment, at) => {
      if (weighting !== 'compel' || fragment.weight >= 1) return [];
      const others = fragments.map((other, index) => (index === at ? { ...other, text: '' } : other));
      // Only graphs without an attention mask need the row cut anew.
      const without = takesMask(encoder.graph) ? [] : cutIntoChunks(tokenizer, others, words, following);
      return [{ fragment: at, weight: fragment.weight, chunks: without }];
    });
    return { weight, chunks, lacking };
  });
  const counts = planned.map((part) => part.chunks.length);
  const chunks = join === 'blend' ? Math.max(...counts) : counts.reduce((sum, count) => sum + count, 0);
  if (chunks > mostChunks) {
    const room = tokenizer.length - 2;
    throw tooLong(prompt, `The prompt fills ${chunks} rows of ${room} tokens; at most ${mostChunks} are allowed.`);
  }
  return { chunks, prompt, join, parts: planned, extra };
}

/**
 * The states of a planned prompt, its rows one after the other, with the weights of its fragments applied; a part of a
 * run. `pooled` is that of the first row, unweighted; where prompts are blended, so is it.
 *
 * @param chunks Rows of the result; what the prompt does not fill is the empty text. Default: those of the plan.
 * @throws RuntimeError `invalidParameter` where a prompt has too many parts of a weight below 1, and as `encodeClip`
 */
export async function* encodePrompt(
  encoder: PromptEncoder,
  plan: PromptPlan,
  form: ClipForm & { chunks?: number },
): Part<ClipOutput> {
  const { graph, tokenizer } = encoder;
  const { parts, join, prompt } = plan;
  const rows = new Rows(graph);
  const empty = emptyChunk(tokenizer);
  const emptyRow = () => rows.add(empty.ids);

  // Which rows are needed comes first, so that all are encoded by one call.
  const recipes = parts.map((part) =>
    part.chunks.map((chunk, index) => {
      const weighted = chunk.weights.some((weight) => weight !== 1) || part.lacking.length > 0;
      const lacking = part.lacking.map(({ fragment, weight, chunks }) => {
        if (takesMask(graph)) {
          if (!chunk.fragments.includes(fragment)) return { weight, row: undefined, weights: chunk.weights };
          const mask = chunk.fragments.map((at) => (at === fragment ? 0 : 1));
          return { weight, row: rows.add(chunk.ids, mask), weights: chunk.weights };
        }
        const other = chunks[index] ?? empty;
        return { weight, row: rows.add(other.ids), weights: other.weights };
      });
      const origin = weighted && prompt.weighting === 'compel' ? emptyRow() : undefined;
      return { row: rows.add(chunk.ids), weights: chunk.weights, weighted, origin, lacking };
    }),
  );
  const length = Math.max(plan.chunks, form.chunks ?? 0);
  const needsEmpty =
    length > plan.chunks ||
    parts.some((part) => (join === 'blend' ? part.chunks.length < plan.chunks : part.weight !== 1));
  const emptyAt = needsEmpty ? emptyRow() : undefined;
  if (rows.list.length > mostRows) {
    throw tooLong(
      prompt,
      `The prompt needs ${rows.list.length} runs of the text encoder; at most ${mostRows} are allowed. Give fewer parts a weight below 1.`,
    );
  }

  const outputs = yield* encodeClip(graph, rows.list, form, sharedOf(encoder, plan.extra));
  const statesOf = (row: number) => outputs[row]!.states;
  const joined = recipes.map((recipe) =>
    recipe.map(({ row, weights, weighted, origin, lacking }): Embeddings => {
      const states = statesOf(row);
      if (!weighted) return states;
      if (origin === undefined) return weighSdEmbeds(states, weights);
      const others = lacking.map((other) => ({
        weight: other.weight,
        row: other.row === undefined ? undefined : { states: statesOf(other.row), weights: other.weights },
      }));
      return weighCompel(states, statesOf(origin), weights, others);
    }),
  );
  const blank = emptyAt === undefined ? undefined : statesOf(emptyAt);
  const pooled = recipes.map((recipe) => outputs[recipe[0]!.row]!.pooled);
  const states = join === 'blend' ? blendStates(joined, parts, plan.chunks, blank) : weighParts(joined, parts, blank);
  while (states.length < length) states.push(blank!);
  return {
    states: layEndToEnd(states),
    pooled: join === 'blend' && pooled[0] ? weightedSum(pooled as Float32Array[], parts) : pooled[0],
  };
}

/** One row of ids whose tokens all see one another, and what else the graph takes. */
export function plainRow(encoder: PromptEncoder, ids: readonly number[]): { row: Row; shared: Row | undefined } {
  const rows = new Rows(encoder.graph);
  rows.add(ids);
  return { row: rows.list[0]!, shared: sharedOf(encoder, undefined) };
}

/** Rows for one call, each kind once. */
class Rows {
  readonly list: Row[] = [];
  private readonly graph: Graph;
  private readonly known = new Map<string, number>();

  constructor(graph: Graph) {
    this.graph = graph;
  }

  /** The index of a row. @param mask 0 for tokens that no other sees; default: all are seen. */
  add(ids: readonly number[], mask: readonly number[] = ids.map(() => 1)): number {
    const key = `${ids}|${mask}`;
    const seen = this.known.get(key);
    if (seen !== undefined) return seen;
    const dims = [1, ids.length];
    this.list.push({
      input_ids: int64s(ids, dims),
      ...(takesMask(this.graph) && { attention_mask: { dtype: 'int32', dims, data: Int32Array.from(mask) } }),
    });
    this.known.set(key, this.list.length - 1);
    return this.list.length - 1;
  }
}

function takesMask(graph: Graph): boolean {
  return graph.takes('attention_mask');
}

/** Ids of the embeddings' vectors: below 0, in the order in which `vectorsOf` lays them out. */
function addedWords({ name }: PromptEncoder, embeddings: readonly WeightedEmbedding[]): AddedWord[] {
  let next = -1;
  return embeddings.map((embedding) => {
    const count = embedding.vectors[name]?.count ?? 0;
    const word = { name: embedding.name, id: next, count };
    next -= count;
    return word;
  });
}

/** The vectors of all embeddings, each times its weight: [count, width]. */
function vectorsOf({ graph, name }: PromptEncoder, embeddings: readonly WeightedEmbedding[]): FloatTensor {
  const width = extraWidth(graph);
  if (width === undefined) {
    throw new RuntimeError(
      'unsupportedParameter',
      'The text encoder of this model was exported to ONNX with a fixed vocabulary, so it takes no embeddings. Use its safetensors folder.',
      { parameter: 'embeddings' },
    );
  }
  const encoder = name === 'text_encoder' ? 'first text encoder' : 'second text encoder';
  const parts = embeddings.map((embedding) => {
    const vectors = embedding.vectors[name];
    if (vectors?.width !== width) {
      const has = vectors ? `vectors of width ${vectors.width}` : `no vectors (${widthsOf(embedding)})`;
      throw new RuntimeError(
        'invalidParameter',
        `The embedding "${embedding.name}" has ${has} for the ${encoder}, but this model's takes width ${width}.`,
        { parameter: 'embeddings' },
      );
    }
    return vectors.data.map((value) => value * embedding.weight);
  });
  const data = concatenate(parts);
  return floats(data, [data.length / width, width]);
}

function widthsOf({ vectors }: Embedding): string {
  const { text_encoder: first, text_encoder_2: second } = vectors;
  return first ? `only width ${first.width} for the first` : `only width ${second?.width} for the second`;
}

/** The width of the vectors that the graph takes beside its vocabulary; undefined where it takes none. */
function extraWidth(graph: Graph): number | undefined {
  const width = graph.inputs.find((input) => input.name === 'extra_embeddings')?.shape[1];
  return typeof width === 'number' ? width : undefined;
}

/** By the inputs it adds to, or by the graph: runs without embeddings can share a call only while this is one object. */
const withoutExtra = new WeakMap<object, Row>();

function sharedOf({ graph, shared }: PromptEncoder, extra: FloatTensor | undefined): Row | undefined {
  const width = extraWidth(graph);
  if (width === undefined) return shared;
  if (extra) return { ...shared, extra_embeddings: extra };
  const key = shared ?? graph;
  let row = withoutExtra.get(key);
  if (!row) {
    row = { ...shared, extra_embeddings: floats(new Float32Array(width), [1, width]) };
    withoutExtra.set(key, row);
  }
  return row;
}

/** The rows of all parts, one after the other; a part of another weight than 1 moves away from or to the empty text. */
function weighParts(
  joined: readonly Embeddings[][],
  parts: readonly PlannedPart[],
  blank: Embeddings | undefined,
): Embeddings[] {
  return joined.flatMap((rows, index) => {
    const { weight } = parts[index]!;
    if (weight === 1 || !blank) return rows;
    return rows.map((row) => weighCompel(row, blank, new Array<number>(row.length).fill(weight), []));
  });
}

/** The weighted sum of the parts, row by row; a shorter part goes on as the empty text. */
function blendStates(
  joined: readonly Embeddings[][],
  parts: readonly PlannedPart[],
  chunks: number,
  blank: Embeddings | undefined,
): Embeddings[] {
  return Array.from({ length: chunks }, (_, index) => {
    const rows = joined.map((part) => part[index] ?? blank!);
    const data = weightedSum(
      rows.map((row) => row.data),
      parts,
    );
    return { ...rows[0]!, data };
  });
}

function weightedSum(values: readonly Float32Array[], parts: readonly PlannedPart[]): Float32Array {
  if (parts.length === 1 && parts[0]!.weight === 1) return values[0]!;
  return Float32Array.from(values[0]!, (_, at) =>
    values.reduce((sum, value, index) => sum + value[at]! * parts[index]!.weight, 0),
  );
}

function layEndToEnd(rows: readonly Embeddings[]): Embeddings {
  const [first] = rows;
  if (rows.length === 1) return first!;
  return {
    data: concatenate(rows.map((row) => row.data)),
    length: rows.reduce((sum, row) => sum + row.length, 0),
    width: first!.width,
  };
}

function concatenate(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

function tooLong({ parameter = 'prompt' }: Prompt, message: string): RuntimeError {
  return new RuntimeError('invalidParameter', message, { parameter });
}
