import { fingerprint } from '../files/reading.js';
import { floats } from '../tensors/tensor.js';
import { encodePrompt, planPrompt, unnamedEmbeddings } from '../text/prompt.js';
/**
 * Encodes the texts of all readers to the same length, as the denoiser takes them side by side and in one call. A text that
 * was read before with the same files and weights is not encoded again while it is kept.
 */
export async function* readClipPrompts(context, readers) {
  const { request, remembered, version } = context;
  const { promptWeighting: weighting, embeddings: files = [] } = request;
  const embeddings = await context.embeddings();
  const versions = fingerprint(files.map(({ path }) => path));
  const texts = readers.flatMap(({ prompt, negativePrompt = '' }) => [prompt, negativePrompt]);
  const appended = unnamedEmbeddings(texts, weighting, embeddings);
  const planned = readers.map(({ encoder, form, prompt, negativePrompt, parameters }) => {
    const plan = (text, parameter, following) => ({
      text,
      encoder,
      form,
      following,
      plan: planPrompt(encoder, { text, weighting, embeddings, appended: following, parameter }),
    });
    return {
      positive: plan(prompt, parameters[0], appended),
      negative: negativePrompt === undefined ? undefined : plan(negativePrompt, parameters[1], []),
    };
  });
  const plans = planned.flatMap(({ positive, negative }) => (negative ? [positive, negative] : [positive]));
  const chunks = Math.max(...plans.map(({ plan }) => plan.chunks));
  const read = async function* ({ text, encoder, form, following, plan }) {
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
    const held = remembered.get(key);
    if (held) return held;
    const output = yield* encodePrompt(encoder, plan, { ...form, chunks });
    remembered.set(key, output);
    return output;
  };
  const results = [];
  for (const { positive, negative } of planned) {
    results.push({ positive: yield* read(positive), negative: negative && (yield* read(negative)) });
  }
  return results;
}
/**
 * `timestep_cond` of models distilled with guidance inside (latent consistency models): the guidance scale as sines and
 * cosines, after https://arxiv.org/abs/2303.17604 as diffusers' `get_guidance_scale_embedding` writes it.
 */
export function guidanceInput(denoiser, guidanceScale) {
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
//# sourceMappingURL=clipPrompts.js.map
