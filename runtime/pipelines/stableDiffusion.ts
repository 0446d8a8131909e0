import type { GenerateRequest } from '../messages.ts';
import { createNoise } from '../noise.ts';
import { floats } from '../onnx/graph.ts';
import { encodePrompt as encode, planPrompt } from '../text/prompt.ts';
import { denoise } from './denoise.ts';
import { decodeLatents, encodeImage } from './images.ts';
import type { Model } from './model.ts';
import { planRun } from './plan.ts';
import type { Branch, Outputs, Part, Run } from './run.ts';

/** Stable Diffusion 1.x and 2.x: text-to-image and image-to-image. */
export async function* stableDiffusion(model: Model, request: GenerateRequest): Run {
  const plan = planRun(model, request);
  const { scheduler, shape, clipSkip } = plan;
  yield { type: 'started', steps: plan.steps };
  const { image } = request;
  if (image && plan.steps === 0) return image.pixels;

  for (const component of [
    'text_encoder',
    'unet',
    'vae_decoder',
    ...(image ? ['vae_encoder' as const] : []),
  ] as const) {
    if (model.holds(component)) continue;
    // One report for each, so that a run can be cancelled between two components.
    yield { type: 'staged', stage: 'loading' };
    await model.graph(component);
  }

  yield { type: 'staged', stage: 'encoding' };
  const extras = guidanceInput(model, request.guidanceScale);
  const positive = { ...(await encodePrompt(model, request.prompt, clipSkip)), extras };
  const negative = plan.guided
    ? { ...(await encodePrompt(model, request.negativePrompt ?? '', clipSkip)), extras }
    : undefined;

  const noise = createNoise(request.seed);
  const count = shape.channels * shape.height * shape.width;
  let latents: Float32Array;
  if (image) {
    // In this order, so that a seed gives the picture it gives in diffusers.
    const seedLatents = await encodeImage(await model.graph('vae_encoder'), image.pixels, noise, shape, model.scaling);
    latents = scheduler.addNoise(seedLatents, noise.normal(count), plan.first);
  } else {
    latents = noise.normal(count).map((value) => value * scheduler.initNoiseSigma);
  }

  yield { type: 'staged', stage: 'denoising' };
  const unet = await model.graph('unet');
  const { first } = plan;
  const { guidanceScale } = request;
  latents = yield* denoise({ unet, scheduler, first, latents, shape, noise, guidanceScale, positive, negative });

  yield { type: 'staged', stage: 'decoding' };
  return decodeLatents(await model.graph('vae_decoder'), latents, shape, model.scaling);
}

/** The branch of one prompt, without what depends on the rest of the request; encoded once while it is kept. */
export function encodePrompt(model: Model, prompt: string, skip: number): Promise<Branch> {
  return model.prompts.get(JSON.stringify([prompt, skip]), async () => {
    const tokenizer = await model.tokenizer('tokenizer');
    const encoder = { graph: await model.graph('text_encoder'), tokenizer, name: 'text_encoder' } as const;
    const { states } = await answered(encode(encoder, planPrompt(encoder, { text: prompt }), { skip, norm: true }));
    return { embeddings: states, extras: {} };
  });
}

/** Drives a part of a run by itself. */
export async function answered<T>(part: Part<T>): Promise<T> {
  for (let answer: Outputs[] = []; ; ) {
    const { done, value } = await part.next(answer);
    if (done) return value;
    answer = [];
    for (const row of value.rows) {
      answer.push((await value.graph.run({ ...row, ...value.shared }, value.outputs)) as Outputs);
    }
  }
}

/**
 * `timestep_cond` of models distilled with guidance inside (latent consistency models): the guidance scale as sines and
 * cosines, after https://arxiv.org/abs/2303.17604 as diffusers' `get_guidance_scale_embedding` writes it.
 */
export function guidanceInput(model: Model, guidanceScale: number): Branch['extras'] {
  const size = model.configs.unet.time_cond_proj_dim;
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
