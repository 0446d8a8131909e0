import { basename } from 'node:path';
import { RuntimeError } from '../errors.ts';
import { inPart, ModelError } from '../files/reading.ts';
import type { StoredTensors } from '../files/safetensors.ts';
import { type Qwen3Config, writeQwen3 } from '../graphs/qwen3.ts';
import { checkTransformerShapes } from '../graphs/transformerShapes.ts';
import type { Embeddings, Part, Row } from '../run.ts';
import { int64s } from '../tensors/tensor.ts';
import { type LanguageTokenizer, openLanguageTokenizer, qwenChat } from '../text/languageTokenizer.ts';
import type { ConditioningContext, Corrections, EncoderKind, PartSource } from './family.ts';

/** Tokens that are read at most, of the template too. */
export const QWEN_LENGTH = 512;

/** Qwen3 as a text encoder. @param states - which of its hidden states the denoiser reads, as `Qwen3Form` counts them */
export function qwen3Text(states: readonly number[]): EncoderKind {
  return {
    classes: ['Qwen3Model', 'Qwen3ForCausalLM'],
    input: 'input_ids',
    write: (config, tensors, form) =>
      writeQwen3(config as Qwen3Config, tensors, { ...form, states, attentionMask: form.attentionMask ?? true }),
    check: (_config, tensors) => checkTransformerShapes('qwen3', tensors),
    wordsOf: (tensors) => (tensors.get('model.embed_tokens.weight') ?? tensors.get('embed_tokens.weight'))?.shape[0],
    async openTokenizer({ folder }) {
      if (folder === undefined)
        throw new ModelError('The tokenizer is missing. The program does not include the vocabulary of Qwen.');
      return openLanguageTokenizer(folder, 'qwen');
    },
    checkTokenizer: (folder, name) =>
      inPart(name, async () => {
        try {
          return (await openLanguageTokenizer(folder, 'qwen')).highest;
        } catch (cause) {
          const reason = cause instanceof Error ? cause.message : String(cause);
          throw new ModelError(`${reason} (in ${basename(folder)})`, { cause });
        }
      }),
  };
}

/**
 * The tensors of a Qwen3 encoder in a file, and the config that their shapes stand for.
 *
 * @param reads - how many of its states the denoiser reads side by side, and how wide they are together
 * @throws {ModelError} for an encoder of another size, which separate files may bring together
 */
export function qwen3In(
  tensors: StoredTensors,
  corrections: Corrections,
  reads: { states: number; width: number },
): PartSource {
  // What predicts the next word is not part of an encoder.
  const kept = new Map([...tensors].filter(([name]) => !name.startsWith('lm_head.')));
  const [rows, width] = (kept.get('model.embed_tokens.weight') ?? kept.get('embed_tokens.weight'))?.shape ?? [];
  if (rows === undefined) throw new ModelError('the file has no tensor for "model.embed_tokens.weight".');
  if (width !== reads.width / reads.states) {
    throw new ModelError(
      `its states have ${width} channels, but the transformer takes ${reads.width / reads.states}. It belongs to another model.`,
    );
  }
  return {
    tensors: kept,
    config: { architectures: ['Qwen3Model'], vocab_size: rows, hidden_size: width, ...corrections.own },
  };
}

export interface QwenReading {
  /** Whether the template leaves the model room to think; see `qwenChat`. */
  thinking: boolean;
  /** Whether rows are filled up to the full length, and the states of the filling are given too. */
  filled: boolean;
}

/**
 * The hidden states of a text in the chat template, at most 512 tokens of it. A text that was read before with the same
 * weights is not read again while it is remembered.
 *
 * @throws RuntimeError `unsupportedParameter` for prompts with weights
 */
export async function* readQwenPrompt(
  context: ConditioningContext,
  text: string,
  { thinking, filled }: QwenReading,
): Part<Embeddings> {
  const { request, remembered, version } = context;
  if (request.promptWeighting !== undefined) {
    const message = `Models of ${context.configs.family.title} take prompts without weights.`;
    throw new RuntimeError('unsupportedParameter', message, { parameter: 'promptWeighting' });
  }
  const length = Math.min(request.maxSequenceLength ?? QWEN_LENGTH, QWEN_LENGTH);
  const key = JSON.stringify(['text_encoder', text, thinking, filled, length, version]);
  const held = remembered.get(key) as Embeddings | undefined;
  if (held) return held;

  const { graph, tokenizer, shared } = yield* context.encoder<LanguageTokenizer>('text_encoder');
  const ids = tokenizer.encode(qwenChat(text, { thinking }), length);
  const count = filled ? length : ids.length;
  const padded = [...ids, ...new Array<number>(count - ids.length).fill(tokenizer.pad)];
  const mask = Int32Array.from(padded, (_, at) => (at < ids.length ? 1 : 0));
  const row: Row = {
    input_ids: int64s(padded, [1, count]),
    ...(graph.takes('attention_mask') && { attention_mask: { dtype: 'int32', dims: [1, count], data: mask } }),
  };
  const output = graph.gives('hidden_states') ? 'hidden_states' : graph.outputs[0]!.name;
  const [answer] = yield { type: 'call', graph, rows: [row], shared, outputs: [output], positions: 0 };
  const { data, dims } = answer![output]!;
  const embeddings = { data, length: dims[1]!, width: dims[2]! };
  remembered.set(key, embeddings);
  return embeddings;
}
