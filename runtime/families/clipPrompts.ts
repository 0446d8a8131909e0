import { fingerprint } from '../files/reading.ts';
import type { Branch, Part } from '../run.ts';
import { floats } from '../tensors/tensor.ts';
import type { ClipForm, ClipOutput } from '../text/clip.ts';
import { encodePrompt, planPrompt, unnamedEmbeddings, type WeightedEmbedding } from '../text/prompt.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { ConditioningContext, Config, EncoderName, OpenEncoder } from './family.ts';

/** One text encoder, which state of it is wanted, and what it reads. */
export interface ClipReader {
  name: EncoderName;
  form: ClipForm;
  /** The same of the negative prompt, which skips no layers in diffusers, whatever the prompt skips. */
  negativeForm: ClipForm;
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
 * was read before with the same files and weights is not encoded again while it is kept; when all of them were read before,
 * no encoder needs to be in memory.
 */
export async function* readClipPrompts(context: ConditioningContext, readers: readonly ClipReader[]): Part<Read[]> {
  const { request, remembered, version } = context;
  const { promptWeighting: weighting, embeddings: files = [] } = request;
  const versions = fingerprint(files.map(({ path }) => path));
  const key = JSON.stringify(['all', readers, weighting, files, versions, version]);
  const held = remembered.get(key) as Read[] | undefined;
  if (held) return held;
  const opened: (ClipReader & { encoder: OpenEncoder<Tokenizer> })[] = [];
  for (const reader of readers) opened.push({ ...reader, encoder: yield* context.encoder<Tokenizer>(reader.name) });
  const results = yield* readTexts(context, opened, versions);
  remembered.set(key, results);
  return results;
}

async function* readTexts(
  context: ConditioningContext,
  readers: readonly (ClipReader & { encoder: OpenEncoder<Tokenizer> })[],
  versions: string,
): Part<Read[]> {
  const { request, remembered, version } = context;
  const { promptWeighting: weighting, embeddings: files = [] } = request;
  const embeddings = await context.embeddings();
  const texts = readers.flatMap(({ prompt, negativePrompt = '' }) => [prompt, negativePrompt]);
  const appended = unnamedEmbeddings(texts, weighting, embeddings);

  const planned = readers.map(({ encoder, form, negativeForm, prompt, negativePrompt, parameters }) => {
    const plan = (text: string, own: ClipForm, parameter: string, following: readonly WeightedEmbedding[]) => ({
      text,
      encoder,
      form: own,
      following,
      plan: planPrompt(encoder, { text, weighting, embeddings, appended: following, parameter }),
    });
    return {
      positive: plan(prompt, form, parameters[0], appended),
      negative: negativePrompt === undefined ? undefined : plan(negativePrompt, negativeForm, parameters[1], []),
    };
  });
  type Planned = (typeof planned)[number]['positive'];
  const plans = planned.flatMap(({ positive, negative }) => (negative ? [positive, negative] : [positive]));
  const chunks = Math.max(...plans.map(({ plan }) => plan.chunks));

  const read = async function* ({ text, encoder, form, following, plan }: Planned): Part<ClipOutput> {
    const key = JSON.stringify([
      encoder.name,
      text,
      form,
      weighting,
      files,
      versions,
      following.length,
      chunks,
      version,
    ]);
    const held = remembered.get(key) as ClipOutput | undefined;
    if (held) return held;
    const output = yield* encodePrompt(encoder, plan, { ...form, chunks });
    remembered.set(key, output);
    return output;
  };
  const results: Read[] = [];
  for (const { positive, negative } of planned) {
    results.push({ positive: yield* read(positive), negative: negative && (yield* read(negative)) });
  }
  return results;
}

/**
 * `timestep_cond` of models distilled with guidance inside (latent consistency models): the guidance scale as sines and
 * cosines, after https://arxiv.org/abs/2303.17604 as diffusers' `get_guidance_scale_embedding` writes it.
 */
export function guidanceInput(denoiser: Config, guidanceScale: number): Branch['extras'] {
  const size = denoiser.time_cond_proj_dim;
  if (typeof size !== 'number') return {};
  const half = Math.floor(size / 2);
  const data = new Float32Array(size);
  for (let at = 0; at < half; at++) {
    // w · e^(−ln 10000 · i / (half − 1)), w = 1000 · (s − 1)
    const angle = (guidanceScale - 1) * 1000 * Math.exp((-Math.log(10_000) * at) / (half - 1));
    data[at] = Math.sin(angle);
    data[half + at] = Math.cos(angle);
  }
  return { timestep_cond: floats(data, [1, size]) };
}
