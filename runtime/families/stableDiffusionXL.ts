import { RuntimeError } from '../errors.ts';
import type { Branch, Embeddings } from '../run.ts';
import { type FloatTensor, floats } from '../tensors/tensor.ts';
import type { ClipOutput } from '../text/clip.ts';
import { type ClipReader, guidanceInput, readClipPrompts } from './clipPrompts.ts';
import type { EncoderName, Family } from './family.ts';
import { xlStyle } from './imageWeights.ts';
import { denoiserInputOf } from './input.ts';
import { ipAdapterFor } from './ipAdapter.ts';
import { ldmAliases, ldmPadToken, readLdmFile } from './ldmFile.ts';
import { clipText, clipTextProjected, unet, unetControlNet, vaeDecoder, vaeEncoder } from './networks.ts';
import { architectureOfClipLora, guidanceRuleOfUNet, sampleSizeOf } from './stableDiffusion.ts';

/** The aesthetic scores that a refiner is told, of the prompt's branch and of the unconditional one; diffusers' defaults. */
const AESTHETIC_SCORES = { positive: 6, negative: 2.5 };

/**
 * Stable Diffusion XL: the states of two encoders side by side, the second one's projected text, and sizes of the picture.
 * A refiner has the second encoder alone, and is told a score instead of a target size.
 */
export const stableDiffusionXL: Family = {
  name: 'sdxl',
  title: 'Stable Diffusion XL',
  pipelines: [
    'StableDiffusionXLPipeline',
    'StableDiffusionXLImg2ImgPipeline',
    'StableDiffusionXLInpaintPipeline',
    'StableDiffusionXLInstructPix2PixPipeline',
    'StableDiffusionXLControlNetPipeline',
    'StableDiffusionXLControlNetImg2ImgPipeline',
    'StableDiffusionXLControlNetInpaintPipeline',
  ],
  denoiserFolder: 'unet',
  networks: {
    text_encoder: clipText,
    text_encoder_2: clipTextProjected,
    denoiser: unet,
    vae_encoder: vaeEncoder,
    vae_decoder: vaeDecoder,
    controlNet: unetControlNet,
  },
  encoders: ({ refiner }) => (refiner ? ['text_encoder_2'] : ['text_encoder', 'text_encoder_2']),
  isRefiner: (index) =>
    index.requires_aesthetics_score === true || (Array.isArray(index.text_encoder) && index.text_encoder[0] === null),
  architectures: ['sdxl'],
  architecture: () => 'sdxl',
  architectureOfTextWidth: architectureOfWidth,
  defaults: (configs) => ({ ...sampleSizeOf(configs, 1024), steps: 20, guidanceScale: 5, strength: 0.8 }),
  latents: {
    scalingFactor: 0.13025,
    shiftFactor: 0,
    // The field's published fit, from `comfy/latent_formats.py` of ComfyUI (class SDXL).
    rgb: {
      factors: [
        [0.3651, 0.4232, 0.4341],
        [-0.2533, -0.0042, 0.1068],
        [0.1076, 0.1111, -0.0362],
        [-0.3165, -0.2492, -0.2188],
      ],
      bias: [0.1084, -0.0175, -0.0011],
    },
  },
  input: denoiserInputOf,
  guidanceRule: guidanceRuleOfUNet,
  async *condition(context) {
    const { configs, request, guided } = context;
    const { prompt, negativePrompt, clipSkip = 0, width, height, guidanceScale } = request;
    const { refiner, index } = configs;
    // An empty text is encoded; an absent one is zeros, unless the model's index says otherwise (diffusers' default).
    const absent = negativePrompt === undefined && request.negativePrompt2 === undefined;
    const zeros = guided && absent && index.force_zeros_for_empty_prompt !== false;
    // SDXL was trained on the state before the last, without the final norm.
    const form = { skip: 1, norm: false };
    const reader = (name: EncoderName, second: boolean): ClipReader => ({
      name,
      form: { ...form, skip: form.skip + clipSkip },
      negativeForm: form,
      prompt: (second ? request.prompt2 : undefined) ?? prompt,
      negativePrompt:
        guided && !zeros ? ((second ? request.negativePrompt2 : undefined) ?? negativePrompt ?? '') : undefined,
      parameters: second ? ['prompt2', 'negativePrompt2'] : ['prompt', 'negativePrompt'],
    });
    const readers = refiner
      ? [reader('text_encoder_2', false)]
      : [reader('text_encoder', false), reader('text_encoder_2', true)];
    const read = yield* readClipPrompts(context, readers);

    // Original size and crop, then the target size or a score; rows before columns.
    const timeIds = (score: number): FloatTensor => {
      const numbers = refiner ? [height, width, 0, 0, score] : [height, width, 0, 0, height, width];
      return floats(Float32Array.from(numbers), [1, numbers.length]);
    };
    const common = guidanceInput(configs.configs.denoiser, guidanceScale);
    const branch = (outputs: readonly ClipOutput[], score: number): Branch => {
      const pooled = outputs.at(-1)?.pooled;
      if (!pooled) throw new RuntimeError('modelUnavailable', 'The second text encoder gives no text_embeds.');
      const extras = { ...common, text_embeds: floats(pooled, [1, pooled.length]), time_ids: timeIds(score) };
      return { embeddings: sideBySide(outputs.map(({ states }) => states)), extras };
    };
    const positives = read.map(({ positive }) => positive);
    const negatives = zeros ? positives.map(zerosLike) : read.flatMap(({ negative }) => negative ?? []);
    return {
      positive: branch(positives, AESTHETIC_SCORES.positive),
      negative: guided ? branch(negatives, AESTHETIC_SCORES.negative) : undefined,
    };
  },
  imagePrompts: ipAdapterFor(xlStyle),
  takes: { loras: true, controlNets: true, deepCache: true, firstBlockCache: false, embeddings: true, clipSkip: true },
  loraAliases: ldmAliases,
  architectureOfLora(layers) {
    if (layers.some(({ name }) => /^(lora|lycoris)_te2_|(^|\.)text_encoder_2\.|^te2\.|clip_g\./.test(name)))
      return 'sdxl';
    return architectureOfClipLora(layers, architectureOfWidth);
  },
  statedAs: [[/stable-diffusion-xl|sdxl/, 'sdxl']],
  embeddingTensor: 'clip_g',
  file: {
    recognises: (tensors) => tensors.has('model.diffusion_model.label_emb.0.0.weight'),
    read: readLdmFile,
    padToken: ldmPadToken,
  },
};

/** The refiner sees only the second encoder's 1280 channels. */
function architectureOfWidth(width: unknown): string | undefined {
  return width === 2048 || width === 1280 ? 'sdxl' : undefined;
}

/** [length, a] and [length, b] → [length, a + b] */
function sideBySide(parts: readonly Embeddings[]): Embeddings {
  const [first] = parts;
  if (parts.length === 1) return first!;
  const { length } = first!;
  const width = parts.reduce((sum, part) => sum + part.width, 0);
  const data = new Float32Array(length * width);
  let column = 0;
  for (const part of parts) {
    for (let row = 0; row < length; row++) {
      data.set(part.data.subarray(row * part.width, (row + 1) * part.width), row * width + column);
    }
    column += part.width;
  }
  return { data, length, width };
}

function zerosLike({ states, pooled }: ClipOutput): ClipOutput {
  return {
    states: { ...states, data: new Float32Array(states.data.length) },
    pooled: pooled && new Float32Array(pooled.length),
  };
}
