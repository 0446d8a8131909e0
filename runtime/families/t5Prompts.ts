import { basename } from 'node:path';
import { RuntimeError } from '../errors.ts';
import { inPart, ModelError } from '../files/reading.ts';
import type { StoredTensors } from '../files/safetensors.ts';
import { type T5Config, writeT5Encoder } from '../graphs/t5Encoder.ts';
import { checkTransformerShapes } from '../graphs/transformerShapes.ts';
import type { Embeddings, Part } from '../run.ts';
import { int64s } from '../tensors/tensor.ts';
import { type LanguageTokenizer, openLanguageTokenizer } from '../text/languageTokenizer.ts';
import { plainRow } from '../text/prompt.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { ConditioningContext, Corrections, EncoderKind, EncoderName, PartSource } from './family.ts';

/** The encoder of T5 v1.1. */
export const t5Text: EncoderKind = {
  classes: ['T5EncoderModel'],
  input: 'input_ids',
  write: (config, tensors, form) => writeT5Encoder(config as T5Config, tensors, form),
  check: (_config, tensors) => checkTransformerShapes('t5', tensors),
  wordsOf: (tensors) => embeddingOf(tensors)?.shape[0],
  async openTokenizer({ folder }) {
    if (folder === undefined)
      throw new ModelError('The tokenizer is missing. The program does not include the vocabulary of T5.');
    return openLanguageTokenizer(folder, 't5');
  },
  checkTokenizer: (folder, name) =>
    inPart(name, async () => {
      try {
        return (await openLanguageTokenizer(folder, 't5')).highest;
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw new ModelError(`${reason} (in ${basename(folder)})`, { cause });
      }
    }),
};

function embeddingOf(tensors: StoredTensors) {
  return tensors.get('shared.weight') ?? tensors.get('encoder.embed_tokens.weight');
}

/** The tensors of a T5 encoder in a file, and the config that their shapes stand for. */
export function t5In(tensors: StoredTensors, corrections: Corrections): PartSource {
  const repeated = tensors.has('shared.weight') ? 'encoder.embed_tokens.weight' : undefined;
  const isOwn = (name: string) => name === 'shared.weight' || (name.startsWith('encoder.') && name !== repeated);
  const kept = new Map([...tensors].filter(([name]) => isOwn(name)));
  const [rows, width] = embeddingOf(kept)?.shape ?? [];
  if (rows === undefined) throw new ModelError('the file has no tensor for "shared.weight".');
  return {
    tensors: kept,
    config: { architectures: ['T5EncoderModel'], vocab_size: rows, d_model: width, ...corrections.own },
  };
}

/** @throws RuntimeError `unsupportedParameter` for prompts with weights, which these encoders read as sentences */
export function refuseWeights({ request, configs }: ConditioningContext): void {
  if (request.promptWeighting === undefined) return;
  const message = `Models of ${configs.family.title} take prompts without weights.`;
  throw new RuntimeError('unsupportedParameter', message, { parameter: 'promptWeighting' });
}

/**
 * T5's states of a text, of exactly `length` tokens: cut before the end of the text, or filled with tokens that are read like
 * any others. A text that was read before with the same weights is not read again while it is remembered.
 */
export async function* readT5(
  context: ConditioningContext,
  name: EncoderName,
  text: string,
  length: number,
): Part<Embeddings> {
  const { remembered, version } = context;
  const key = JSON.stringify([name, text, length, version]);
  const held = remembered.get(key) as Embeddings | undefined;
  if (held) return held;
  const { graph, tokenizer, shared } = yield* context.encoder<LanguageTokenizer>(name);
  const ids = tokenizer.encode(text, length);
  const filled = [...ids, ...new Array<number>(length - ids.length).fill(tokenizer.pad)];
  const rows = [{ input_ids: int64s(filled, [1, length]) }];
  const output = graph.gives('last_hidden_state') ? 'last_hidden_state' : graph.outputs[0]!.name;
  const [answer] = yield { type: 'call', graph, rows, shared, outputs: [output], positions: 0 };
  const { data, dims } = answer![output]!;
  const embeddings = { data, length: dims[1]!, width: dims[2]! };
  remembered.set(key, embeddings);
  return embeddings;
}

/** Outputs of one row of CLIP's text encoder, each [1, …]. */
export type ClipRow = Readonly<Record<string, { data: Float32Array; dims: readonly number[] }>>;

/**
 * One row of CLIP for a text, which is cut at 75 tokens, as models read it that have T5 for long texts. A text that was read
 * before with the same weights is not read again while it is remembered.
 *
 * @param outputsOf - which outputs of the graph are wanted
 * @param variant - tells them from others that may be wanted of the same text
 */
export async function* readClipRow(
  context: ConditioningContext,
  name: EncoderName,
  text: string,
  outputsOf: (gives: (output: string) => boolean) => readonly string[],
  variant = '',
): Part<ClipRow> {
  const { remembered, version } = context;
  const key = JSON.stringify([name, text, 'row', variant, version]);
  const held = remembered.get(key) as ClipRow | undefined;
  if (held) return held;
  const encoder = yield* context.encoder<Tokenizer>(name);
  const { tokenizer, graph } = encoder;
  const { length, start, end, pad } = tokenizer;
  const ids = [
    start,
    ...tokenizer
      .tokenize(text)
      .slice(0, length - 2)
      .map(({ id }) => id),
    end,
  ];
  const { row, shared } = plainRow(encoder, [...ids, ...new Array<number>(length - ids.length).fill(pad)]);
  const outputs = outputsOf((output) => graph.gives(output));
  const [answer] = yield { type: 'call', graph, rows: [row], shared, outputs, positions: 0 };
  remembered.set(key, answer!);
  return answer!;
}
