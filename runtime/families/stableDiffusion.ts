import type { Branch } from '../run.ts';
import { type ClipReader, guidanceInput, readClipPrompts } from './clipPrompts.ts';
import type { Facts, Family, GuidanceRule, LoraLayerShape, ModelConfigs } from './family.ts';
import { sdStyle } from './imageWeights.ts';
import { denoiserInputOf } from './input.ts';
import { ipAdapterFor } from './ipAdapter.ts';
import { ldmAliases, ldmPadToken, readLdmFile } from './ldmFile.ts';
import { clipText, unet, unetControlNet, vaeDecoder, vaeEncoder } from './networks.ts';

/** Stable Diffusion 1.x and 2.x: one text encoder, its last state after the final norm. */
export const stableDiffusion: Family = {
  name: 'sd',
  title: 'Stable Diffusion 1 and 2',
  pipelines: [
    'StableDiffusionPipeline',
    'StableDiffusionImg2ImgPipeline',
    'StableDiffusionInpaintPipeline',
    'StableDiffusionInstructPix2PixPipeline',
    'StableDiffusionControlNetPipeline',
    'StableDiffusionControlNetImg2ImgPipeline',
    'StableDiffusionControlNetInpaintPipeline',
    'LatentConsistencyModelPipeline',
    'LatentConsistencyModelImg2ImgPipeline',
  ],
  denoiserFolder: 'unet',
  networks: {
    text_encoder: clipText,
    denoiser: unet,
    vae_encoder: vaeEncoder,
    vae_decoder: vaeDecoder,
    controlNet: unetControlNet,
  },
  encoders: () => ['text_encoder'],
  architectures: ['sd1x', 'sd2x'],
  architecture({ configs: { denoiser } }) {
    const told = architectureOfWidth(denoiser.cross_attention_dim);
    if (told !== undefined) return told;
    if (denoiser.use_linear_projection === undefined) return 'unknown';
    return denoiser.use_linear_projection === true ? 'sd2x' : 'sd1x';
  },
  architectureOfTextWidth: architectureOfWidth,
  defaults: (configs) => ({ ...sampleSizeOf(configs, 512), steps: 20, guidanceScale: 7.5, strength: 0.8 }),
  latents: {
    scalingFactor: 0.18215,
    shiftFactor: 0,
    // The field's published fit, from `comfy/latent_formats.py` of ComfyUI (class SD15).
    rgb: {
      factors: [
        [0.3512, 0.2297, 0.3227],
        [0.325, 0.4974, 0.235],
        [-0.2829, 0.1762, 0.2721],
        [-0.212, -0.2616, -0.7177],
      ],
    },
  },
  input: denoiserInputOf,
  guidanceRule: guidanceRuleOfUNet,
  async *condition(context) {
    const { configs, request, guided } = context;
    const { prompt, negativePrompt = '', clipSkip: skip = 0, guidanceScale } = request;
    const reader: ClipReader = {
      name: 'text_encoder',
      form: { skip, norm: true },
      negativeForm: { skip: 0, norm: true },
      prompt,
      negativePrompt: guided ? negativePrompt : undefined,
      parameters: ['prompt', 'negativePrompt'],
    };
    const [read] = yield* readClipPrompts(context, [reader]);
    const { positive, negative } = read!;
    const extras = guidanceInput(configs.configs.denoiser, guidanceScale);
    const branch = ({ states }: typeof positive): Branch => ({ embeddings: states, extras });
    return { positive: branch(positive), negative: negative && branch(negative) };
  },
  imagePrompts: ipAdapterFor(sdStyle),
  takes: { loras: true, controlNets: true, deepCache: true, firstBlockCache: false, embeddings: true, clipSkip: true },
  loraAliases: ldmAliases,
  architectureOfLora: (layers) => architectureOfClipLora(layers, architectureOfWidth),
  statedAs: [
    [/stable-diffusion-v2|sd_v2/, 'sd2x'],
    [/stable-diffusion-v1|sd_v1|sd_1/, 'sd1x'],
  ],
  embeddingTensor: 'clip_l',
  file: {
    recognises: (tensors) =>
      tensors.has('model.diffusion_model.input_blocks.0.0.weight') &&
      !tensors.has('model.diffusion_model.label_emb.0.0.weight'),
    read: readLdmFile,
    padToken: ldmPadToken,
  },
};

/** Models distilled with an embedding of the guidance scale take it as an input instead of as a second branch. */
export function guidanceRuleOfUNet({ configs: { denoiser } }: Pick<Facts, 'configs'>): GuidanceRule {
  return denoiser.time_cond_proj_dim ? 'never' : 'above 1';
}

/** Told by the width of the text states. */
function architectureOfWidth(width: unknown): string | undefined {
  return width === 768 ? 'sd1x' : width === 1024 ? 'sd2x' : undefined;
}

/** What a UNet's attention to the text reads is as wide as the text's states; so are the layers of the first encoder. */
export function architectureOfClipLora(
  layers: readonly LoraLayerShape[],
  ofWidth: (width: unknown) => string | undefined,
): string | undefined {
  const told = (pattern: RegExp) => {
    for (const { name, columns } of layers) {
      const found = pattern.test(name) ? ofWidth(columns) : undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return (
    told(/attn2[._](processor[._])?to_[kv]$/) ?? told(/^(lora_te_|(base_model\.model\.)?text_encoder\.).*[qkv]_proj$/)
  );
}

/** Width and height in pixels that the config says, in latents, under `sample_size`. */
export function sampleSizeOf(
  { configs: { denoiser }, latentScale }: ModelConfigs,
  usual: number,
): { width: number; height: number } {
  const { sample_size: size } = denoiser;
  const [height, width] = Array.isArray(size) ? size : [size, size];
  const pixels = (latents: unknown) => (typeof latents === 'number' && latents > 0 ? latents * latentScale : usual);
  return { width: pixels(width), height: pixels(height) };
}
