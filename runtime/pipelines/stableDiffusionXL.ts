import { RuntimeError } from '../errors.ts';
import type { GenerateRequest } from '../messages.ts';
import { createNoise } from '../noise.ts';
import { floats } from '../onnx/graph.ts';
import type { Embeddings } from '../text/clip.ts';
import { encodePrompt as encode, planPrompt } from '../text/prompt.ts';
import { denoise } from './denoise.ts';
import { decodeLatents, encodeImage } from './images.ts';
import type { Model } from './model.ts';
import { planRun } from './plan.ts';
import type { Branch, Run } from './run.ts';
import { answered, guidanceInput } from './stableDiffusion.ts';

/** Stable Diffusion XL base and its fine-tunes: text-to-image and image-to-image. The refiner is not supported. */
export async function* stableDiffusionXL(model: Model, request: GenerateRequest): Run {
  const plan = planRun(model, request);
  const { scheduler, shape, clipSkip } = plan;
  if (model.configs.index.requires_aesthetics_score === true) {
    throw new RuntimeError('modelUnavailable', 'This is an SDXL refiner, which has only one of the two text encoders.');
  }
  yield { type: 'started', steps: plan.steps };
  const { image } = request;
  if (image && plan.steps === 0) return image.pixels;

  const components = ['text_encoder', 'text_encoder_2', 'unet', 'vae_decoder'] as const;
  for (const component of [...components, ...(image ? ['vae_encoder' as const] : [])]) {
    if (model.holds(component)) continue;
    // One report for each, so that a run can be cancelled between two components.
    yield { type: 'staged', stage: 'loading' };
    await model.graph(component);
  }

  yield { type: 'staged', stage: 'encoding' };
  const extras = {
    ...guidanceInput(model, request.guidanceScale),
    // Original size, crop, target size; rows before columns.
    time_ids: floats(Float32Array.of(request.height, request.width, 0, 0, request.height, request.width), [1, 6]),
  };
  const withExtras = (branch: Branch): Branch => ({ ...branch, extras: { ...branch.extras, ...extras } });
  const encoded = await encodePrompt(model, request.prompt, clipSkip);
  const positive = withExtras(encoded);
  let negative: Branch | undefined;
  if (plan.guided) {
    const { negativePrompt } = request;
    // An empty text is encoded; an absent one is zeros, unless the model's index says otherwise (diffusers' default).
    const zeros = negativePrompt === undefined && model.configs.index.force_zeros_for_empty_prompt !== false;
    negative = withExtras(zeros ? zerosLike(encoded) : await encodePrompt(model, negativePrompt ?? '', clipSkip));
  }

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

/** Hidden states of both encoders side by side, and the projected text of the second as `text_embeds`. */
export function encodePrompt(model: Model, prompt: string, clipSkip: number): Promise<Branch> {
  return model.prompts.get(JSON.stringify([prompt, clipSkip]), async () => {
    const outputs = [];
    for (const [tokenizerName, encoderName] of [
      ['tokenizer', 'text_encoder'],
      ['tokenizer_2', 'text_encoder_2'],
    ] as const) {
      const tokenizer = await model.tokenizer(tokenizerName);
      const encoder = { graph: await model.graph(encoderName), tokenizer, name: encoderName };
      // SDXL was trained on the state before the last, without the final norm.
      const form = { skip: clipSkip + 1, norm: false };
      outputs.push(await answered(encode(encoder, planPrompt(encoder, { text: prompt }), form)));
    }
    const [first, second] = outputs as [(typeof outputs)[0], (typeof outputs)[0]];
    if (!second.pooled) throw new RuntimeError('modelUnavailable', 'The second text encoder gives no text_embeds.');
    return {
      embeddings: sideBySide(first.states, second.states),
      extras: { text_embeds: floats(second.pooled, [1, second.pooled.length]) },
    };
  });
}

/** [length, a] and [length, b] → [length, a + b] */
function sideBySide(first: Embeddings, second: Embeddings): Embeddings {
  const { length } = first;
  const width = first.width + second.width;
  const data = new Float32Array(length * width);
  for (let row = 0; row < length; row++) {
    data.set(first.data.subarray(row * first.width, (row + 1) * first.width), row * width);
    data.set(second.data.subarray(row * second.width, (row + 1) * second.width), row * width + first.width);
  }
  return { data, length, width };
}

function zerosLike({ embeddings, extras }: Branch): Branch {
  const zeros = Object.entries(extras).map(([name, { data, dims }]) => [
    name,
    floats(new Float32Array(data.length), dims),
  ]);
  return {
    embeddings: { ...embeddings, data: new Float32Array(embeddings.data.length) },
    extras: Object.fromEntries(zeros),
  };
}
