import type { StoredTensors } from '../files/safetensors.ts';
import type { Embeddings, Part } from '../run.ts';
import type { ConditioningContext, Corrections, EncoderKind, PartSource } from './family.ts';
/** Tokens that are read at most, of the template too. */
export declare const QWEN_LENGTH = 512;
/** Qwen3 as a text encoder. @param states - which of its hidden states the denoiser reads, as `Qwen3Form` counts them */
export declare function qwen3Text(states: readonly number[]): EncoderKind;
/** The tensors of a Qwen3 encoder in a file, and the config that their shapes stand for. */
export declare function qwen3In(tensors: StoredTensors, corrections: Corrections): PartSource;
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
export declare function readQwenPrompt(
  context: ConditioningContext,
  text: string,
  { thinking, filled }: QwenReading,
): Part<Embeddings>;
