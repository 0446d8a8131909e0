import type { Branch, Part } from '../run.ts';
import type { ClipForm, ClipOutput } from '../text/clip.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { ConditioningContext, Config, OpenEncoder } from './family.ts';
/** One text encoder, which state of it is wanted, and what it reads. */
export interface ClipReader {
  encoder: OpenEncoder<Tokenizer>;
  form: ClipForm;
  prompt: string;
  /** Absent: nothing is to be encoded. */
  negativePrompt: string | undefined;
  /** What errors call the two texts. */
  parameters: readonly [prompt: string, negativePrompt: string];
}
/** What one reader made of its texts. */
export interface Read {
  positive: ClipOutput;
  negative: ClipOutput | undefined;
}
/**
 * Encodes the texts of all readers to the same length, as the denoiser takes them side by side and in one call. A text that
 * was read before with the same files and weights is not encoded again while it is kept.
 */
export declare function readClipPrompts(context: ConditioningContext, readers: readonly ClipReader[]): Part<Read[]>;
/**
 * `timestep_cond` of models distilled with guidance inside (latent consistency models): the guidance scale as sines and
 * cosines, after https://arxiv.org/abs/2303.17604 as diffusers' `get_guidance_scale_embedding` writes it.
 */
export declare function guidanceInput(denoiser: Config, guidanceScale: number): Branch['extras'];
